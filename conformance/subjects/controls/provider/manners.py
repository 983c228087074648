"""The manners of the provider. Each is the name of a folder; all but the first two do one thing wrong."""

from __future__ import annotations

from enum import StrEnum


class Manner(StrEnum):
    """What is wrong with the provider, or what else it does."""

    MODEL = "model"
    CALL_OUT = "call-out"  # as a receiver, of each sender once a message

    # As a receiver.
    ACCEPT_THEN_BOUNCE = "accept-then-bounce"
    DROP_SILENTLY = "drop-silently"
    REFUSE_SOFTFAIL = "refuse-softfail"
    IGNORE_ARC = "ignore-arc"
    TRUST_ANY_SEALER = "trust-any-sealer"
    KEEP_FORGED_RESULTS = "keep-forged-results"
    RECORD_PASS = "record-pass"
    REFUSE_NULL_SENDER = "refuse-null-sender"
    LOSE_DEFERRED = "lose-deferred"
    DELIVER_TWICE = "deliver-twice"
    REPORT_NULL_PATH = "report-null-path"
    CALL_OUT_AGAIN = "call-out-again"
    CALL_OUT_DATA = "call-out-data"

    # As a sender.
    NEVER_RETRY = "never-retry"
    BOUNCE_DEFERRED = "bounce-deferred"
    BOUNCE_TO_FROM = "bounce-to-from"
    TWO_REPORTS = "two-reports"
    RETRY_ALL = "retry-all"
    BARE_LF = "bare-lf"
    NO_DOT_STUFFING = "no-dot-stuffing"
    PIPELINE_UNOFFERED = "pipeline-unoffered"
    SEND_8BIT = "send-8bit"
    IGNORE_PREFERENCE = "ignore-preference"
    NO_IPV4_FALLBACK = "no-ipv4-fallback"
    REQUIRE_TLS = "require-tls"
    INSIST = "insist"
