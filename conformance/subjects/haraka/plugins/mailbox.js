'use strict'
// mailbox: mail from others into the mailboxes of the plan, by LMTP in the client's session. The mailbox is
// asked at RCPT and gets the message at its end, and its replies are the client's. Only where it takes the
// message for some of the recipients, the others are left to the queue: one reply cannot say both.

const dns = require('node:dns')
const { Authentication } = require('../lib/authentication')
const header = require('../lib/header')
const { Lmtp } = require('../lib/lmtp')
const { Mailboxes } = require('../lib/mailboxes')
const message = require('../lib/message')
const { serving } = require('../lib/patience')
const { queued } = require('../lib/queue')
const { Refusal } = require('../lib/reply')

// A mailbox may take this long for a message; one that it stores after that comes twice (RFC 5321 4.5.3.2.6).
const STORED_S = 30

exports.register = function () {
    this.plan = this.config.get('plan.json')
    this.mailboxes = new Mailboxes(this.plan)
    this.resolver = new dns.promises.Resolver({ timeout: 1000, tries: 2 })
    const { hostname, refer_to, timeouts, trusted_sealers } = this.plan
    this.lmtp = { ...this.plan, timeouts: { ...timeouts, upstream_data_end: STORED_S } }
    this.service = { hostname, page: refer_to, trusted_sealers }
    this.register_hook('rcpt', 'ask')
    this.register_hook('data_post', 'deliver')
    this.register_hook('queue', 'accept')
    this.register_hook('reset_transaction', 'abandon')
}

exports.ask = function (next, connection, [rcpt]) {
    if (connection.relaying) return next()
    return serving(next, connection, this.plan, async () => {
        const { transaction } = connection
        const { notes } = transaction
        const mailbox = this.mailboxes.find(rcpt)
        if (!mailbox) throw new Refusal(550, '5.7.1 Relaying is not permitted')
        notes.mailboxes ??= []
        const reply = notes.mailboxes.includes(mailbox) ? { lines: ['2.1.5 OK'] } : await this.rcpt(transaction, mailbox)
        // Gone, or abandoned by its client, in the meantime.
        if (connection.transaction !== transaction) return notes.lmtp?.quit()
        notes.recipients ??= []
        notes.recipients.push(rcpt.host ? `${rcpt.user}@${rcpt.host}` : rcpt.user)
        next(OK, reply.lines)
    })
}

exports.rcpt = async function (transaction, mailbox) {
    const { notes } = transaction
    if (!notes.lmtp?.is_alive) await this.begin(transaction)
    const reply = await notes.lmtp.rcpt(mailbox)
    notes.mailboxes.push(mailbox)
    return reply
}

// Opens the session, with the recipients accepted so far.
exports.begin = async function ({ mail_from, notes }) {
    const lmtp = await Lmtp.open([this.plan.lmtp.host], this.lmtp)
    notes.lmtp = lmtp
    try {
        // Our fields on top make it larger.
        await lmtp.mail(mail_from.address, notes.size && notes.size + 8192)
        for (const mailbox of notes.mailboxes) await lmtp.rcpt(mailbox)
    } catch (error) {
        lmtp.quit()
        throw error
    }
}

// Haraka answers a refusal of the queue hook with 550 or 450, whatever it was; that of data_post as it is.
exports.deliver = function (next, connection) {
    if (connection.relaying) return next()
    return serving(next, connection, this.plan, async () => {
        const { transaction } = connection
        const { notes } = transaction
        const original = await message.content(transaction)
        message.check(original, this.plan.limits)
        const outgoing = await this.prepared(connection, original)
        if (connection.transaction !== transaction) return
        // It may have lost patience while the client was sending.
        if (!notes.lmtp.is_alive) {
            await this.begin(transaction).catch(() => {
                throw new Refusal(451, '4.4.2 The mailbox is not available, try later')
            })
        }
        try {
            const outcomes = await notes.lmtp.deliver(outgoing, notes.mailboxes.length)
            notes.reply = await this.agreed(transaction, outgoing, outcomes)
            next()
        } finally {
            notes.lmtp.quit()
        }
    })
}

// The one reply to a message that each of its mailboxes has answered.
exports.agreed = async function ({ mail_from, notes }, outgoing, outcomes) {
    const accepted = outcomes.find((outcome) => !(outcome instanceof Refusal))
    if (!accepted) throw outcomes.find(({ code }) => code < 500) ?? outcomes[0]
    for (const [index, outcome] of outcomes.entries()) {
        if (!(outcome instanceof Refusal)) continue
        // plugins/delivery.js tries again, or reports what is refused for good.
        const refused = outcome.code < 500 ? null : { code: outcome.code, text: outcome.reply.join(' ') }
        await queued(mail_from.address, [notes.mailboxes[index]], outgoing, { refused })
    }
    return accepted
}

// The message with our fields on top, and without results in our name that are not ours.
exports.prepared = async function (connection, original) {
    const authentication = new Authentication(this.service, message.client(connection), this.resolver)
    await authentication.verify(original)
    authentication.enforce()
    const fields = [...authentication.recorded(), message.received(connection, this.plan.hostname)]
    return message.prepended(original, fields, (field) => header.is_forged(field, this.plan.hostname))
}

exports.accept = (next, connection) => next(OK, connection.transaction.notes.reply.lines.join('\n'))

// RSET, another MAIL or EHLO, the end of the connection, and the end of each transaction.
exports.abandon = (next, connection) => {
    connection.transaction?.notes.lmtp?.quit()
    next()
}
