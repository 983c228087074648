'use strict'
// guard: who may connect, what commands may say, and DNSBLs. Those who relay (plugins/submission.js) are not
// counted or looked up.

const dns = require('node:dns')
const net = require('node:net')
const net_utils = require('haraka-net-utils')
const { patiently } = require('../lib/patience')
const { DSN, Refusal, refusing } = require('../lib/reply')
const { is_ascii, unquoted } = require('../lib/address')

const LOCAL_MAX = 64 // RFC 5321 4.5.3.1.1
// Of extensions that are not offered: known, but not implemented (RFC 5321 4.2.4).
const KNOWN = new Set(['AUTH', 'BDAT', 'EXPN', 'ETRN', 'TURN', 'ATRN', 'SEND', 'SOML', 'SAML', 'STARTTLS', 'BURL'])

exports.register = function () {
    this.plan = this.config.get('plan.json')
    this.resolver = new dns.promises.Resolver({ timeout: 1000, tries: 2 })
    this.sessions = new Map() // how many of each client
    this.open = new Set()
    this.register_hook('connect_init', 'make_public', -50)
    this.register_hook('connect', 'count')
    this.register_hook('disconnect', 'discount')
    this.register_hook('capabilities', 'offer_size')
    this.register_hook('mail', 'check_mail')
    this.register_hook('rcpt', 'check_rcpt', -50)
    this.register_hook('unrecognized_command', 'check_starttls', -50)
    this.register_hook('unrecognized_command', 'answer_unknown', 50)
}

// The lab's Internet has the addresses reserved for documentation, which Haraka holds for a private network
// and treats more kindly.
exports.make_public = (next, connection) => {
    connection.remote.is_private = false
    next()
}

// haraka-plugin-limit counts in a Redis; one process does not need it.
exports.count = function (next, connection) {
    if (connection.relaying) return next()
    // connect_init takes no refusal in Haraka 3.3.4, so early_talker's is repeated here.
    if (connection.early_talker) return next(DENYDISCONNECT, '5.5.1 You talk too soon')
    const { sessions, sessions_per_client } = this.plan.limits
    const all = [...this.sessions.values()].reduce((sum, one) => sum + one, 0)
    const client = client_of(connection.remote.ip)
    const own = this.sessions.get(client) ?? 0
    if (own >= sessions_per_client || all >= sessions) {
        return next(DENYSOFTDISCONNECT, '4.7.0 Too many sessions, try later')
    }
    this.sessions.set(client, own + 1)
    connection.notes.counted = client
    this.open.add(connection)
    next()
}

exports.discount = function (next, connection) {
    const client = connection.notes.counted
    this.open.delete(connection)
    if (client) {
        const left = this.sessions.get(client) - 1
        if (left) this.sessions.set(client, left)
        else this.sessions.delete(client)
    }
    next()
}

// Clients are told that the service ends (RFC 5321 3.8).
exports.shutdown = function () {
    for (const connection of this.open) {
        connection.respond(421, '4.3.2 The service is shutting down', () => connection.disconnect())
    }
}

// An IPv4 address, or an IPv6 /64.
function client_of(ip) {
    if (!net.isIPv6(ip)) return ip
    return net_utils.ipv6_reverse(ip).split('.').slice(16).join('.')
}

// Haraka counts the dots of transparency and of the end as part of a message. Its own limit is therefore
// higher (connection.ini), and the plan's is kept here and in forward.js.
exports.offer_size = function (next, connection) {
    connection.capabilities = connection.capabilities.map((line) =>
        line.startsWith('SIZE ') ? `SIZE ${this.plan.limits.message_size}` : line,
    )
    next()
}

exports.check_mail = function (next, connection, [from, parameters]) {
    return refusing(next, (text) => connection.logerror(text), async () => {
        for (const [name, value] of Object.entries(parameters)) {
            if (name === 'SIZE') {
                if (!/^[0-9]{1,20}$/.test(value ?? '')) throw new Refusal(501, '5.5.4 SIZE takes a number')
            } else if (name === 'BODY') {
                if (!/^(7BIT|8BITMIME)$/i.test(value ?? '')) throw new Refusal(501, '5.5.4 BODY takes 7BIT or 8BITMIME')
            } else {
                throw new Refusal(555, `5.5.4 ${is_ascii(name) ? name : 'The parameter'} is not offered here`)
            }
        }
        if (!is_ascii(from.user)) throw new Refusal(550, '5.6.7 The local part has to be ASCII')
        if (unquoted(from.user).length > LOCAL_MAX) throw new Refusal(550, '5.1.7 The local part is too long')
        const size = Number(parameters.SIZE ?? 0)
        if (size > this.plan.limits.message_size) throw new Refusal(552, '5.3.4 The message is too large')
        connection.transaction.notes.size = size
        // Haraka's own text repeats the address, and with it octets beyond ASCII.
        next(OK, '2.1.0 Sender OK')
    })
}

exports.check_rcpt = function (next, connection, [rcpt, parameters]) {
    return refusing(next, (text) => connection.logerror(text), async () => {
        const { transaction } = connection
        if (Object.keys(parameters).length) throw new Refusal(555, '5.5.4 No parameters are offered here')
        if (!is_ascii(rcpt.user)) throw new Refusal(553, '5.6.7 The local part has to be ASCII')
        if (unquoted(rcpt.user).length > LOCAL_MAX) throw new Refusal(550, '5.1.3 The local part is too long')
        if (transaction.rcpt_to.length > this.plan.limits.recipients) {
            throw new Refusal(452, '4.5.3 Too many recipients')
        }
        if (!connection.relaying && !/^postmaster$/i.test(unquoted(rcpt.user))) {
            const patience = this.plan.timeouts.client_command
            const text = await patiently(connection, patience, () => this.listed(connection))
            if (text) throw new Refusal(554, text)
        }
        next()
    })
}

// The text of the refusal if a DNSBL lists the client; asked once a connection. A list that does not answer
// lists nobody, nor does one that answers with an error code (RFC 5782).
exports.listed = function (connection) {
    const { ip } = connection.remote
    const reversed = net.isIPv6(ip) ? net_utils.ipv6_reverse(ip) : ip.split('.').reverse().join('.')
    const ask = async ({ zone, text }) => {
        const answers = await this.resolver.resolve4(`${reversed}.${zone}`).catch(() => [])
        const lists = answers.some((answer) => answer.startsWith('127.') && !answer.startsWith('127.255.255.'))
        return lists ? text.replace('{ip}', ip) : null
    }
    connection.notes.listed ??= Promise.all(this.plan.dnsbls.map(ask)).then((texts) => texts.find(Boolean))
    return connection.notes.listed
}

// Haraka's tls plugin would accept both.
exports.check_starttls = (next, connection, [verb, argument]) => {
    if (!/^STARTTLS$/i.test(verb)) return next()
    if (argument) return next(DENY, new DSN(501, '5.5.4 STARTTLS has no argument'))
    if (connection.tls.enabled) return next(DENY, new DSN(503, '5.5.1 This session is encrypted already'))
    next()
}

exports.answer_unknown = function (next, connection, [verb, argument]) {
    connection.errors++
    if (connection.errors >= this.plan.limits.bad_commands) {
        return next(DENYSOFTDISCONNECT, '4.7.0 Too many bad commands')
    }
    if (/[\x00-\x1f]/.test(`${verb}${argument}`)) {
        return next(DENY, new DSN(500, '5.5.2 Control character in a command'))
    }
    const known = KNOWN.has(String(verb).toUpperCase())
    next(DENY, known ? new DSN(502, '5.5.1 Command not implemented') : new DSN(500, '5.5.1 Unknown command'))
}
