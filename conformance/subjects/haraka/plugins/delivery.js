'use strict'
// delivery: what Haraka's outbound queue is told: where mailboxes are, when to try again, when to give up, and
// what to report.

const obtls = require('Haraka/outbound/tls')
const obc = require('Haraka/outbound/config')

exports.register = function () {
    this.plan = this.config.get('plan.json')
    this.domains = new Set(this.plan.mailbox_domains)
    this.register_hook('init_master', 'remember_tls')
    this.register_hook('send_email', 'limit_age')
    this.register_hook('get_mx', 'route')
    this.register_hook('deferred', 'again')
    this.register_hook('bounce', 'explain')
}

// Haraka keeps in a Redis the hosts with which TLS failed, to which it then sends without (RFC 7435). One
// process does not need it.
exports.remember_tls = (next) => {
    const failed = new Map()
    obtls.load_config()
    obtls.cfg.redis = { disable_for_failed_hosts: true, disable_expiry: 3600 }
    obtls.db = {
        get: async (host) => (failed.get(host)?.until > Date.now() ? failed.get(host).since : null),
        setEx: async (host, seconds, since) => void failed.set(host, { until: Date.now() + seconds * 1000, since }),
    }
    next()
}

// Haraka counts attempts; here it is the age of a message that ends them, with the attempt after it.
exports.limit_age = function (next, hmail) {
    const age = (Date.now() - hmail.todo.queue_time) / 1000
    if (age >= this.plan.queue.lifetime) hmail.num_failures = obc.cfg.temp_fail_intervals.length
    next()
}

exports.route = function (next, hmail, domain) {
    const { refused } = hmail.todo.notes
    if (refused) return next(DENY, `${refused.code} ${refused.text}`)
    if (!this.domains.has(domain)) return next()
    next(OK, { exchange: this.plan.lmtp.host, port: this.plan.lmtp.port, using_lmtp: true })
}

// temp_fail_intervals takes nothing below 5 seconds.
exports.again = function (next) {
    next(DENYSOFT, String(this.plan.queue.retry))
}

// What plugins/mailbox.js was told is in the report instead of a missing MX.
exports.explain = (next, hmail) => {
    const { refused } = hmail.todo.notes
    if (refused) {
        const [, status, text] = /^(5\.\d+\.\d+)?\s*(.*)$/.exec(refused.text)
        for (const rcpt of hmail.todo.rcpt_to) {
            for (const name of ['dsn_code', 'dsn_msg']) delete rcpt[name]
            rcpt.dsn_status = status ?? '5.0.0'
            rcpt.dsn_smtp_code = refused.code
            rcpt.dsn_smtp_response = refused.text
        }
        hmail.bounce_error = new Error(`${refused.code} ${text}`)
    }
    next()
}
