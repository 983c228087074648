"""The reference relay under load: `scripts/attack` and `scripts/soak`.

Both run in a network of their own (conformance.lab.namespace). Whoever takes part is a process of its
own: the relay, the nameserver, the upstreams, a well-behaved client, and those that make the load.
"""
