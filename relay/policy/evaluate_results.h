/* The results of an evaluation as Authentication-Results and the AAR record them. */
#ifndef FAIRLEAD_EVALUATE_RESULTS_H
#define FAIRLEAD_EVALUATE_RESULTS_H

#include "evaluate.h"

/* Fills evaluation->results from everything else in it. False when memory is short. */
bool evaluate_results(struct arena *arena, const struct evaluation_request *request,
                      struct evaluation *evaluation);

#endif
