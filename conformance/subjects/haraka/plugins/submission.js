'use strict'
// submission: what the own users hand in, at port 587 of 127.0.0.1 (RFC 6409), goes to the queue.

const { Address } = require('@haraka/email-address')
const header = require('../lib/header')
const { Mailboxes } = require('../lib/mailboxes')
const message = require('../lib/message')
const { queued } = require('../lib/queue')
const { refusing } = require('../lib/reply')

const PORT = 587

exports.register = function () {
    this.plan = this.config.get('plan.json')
    this.mailboxes = new Mailboxes(this.plan)
    this.register_hook('connect_init', 'permit')
    this.register_hook('rcpt', 'check')
    this.register_hook('data_post', 'take')
    this.register_hook('queue_outbound', 'accept')
}

exports.permit = (next, connection) => {
    if (connection.local.port === PORT) connection.relaying = true
    next()
}

exports.check = function (next, connection, [rcpt]) {
    if (!connection.relaying) return next()
    return refusing(next, (text) => connection.logerror(text), async () => {
        const { transaction } = connection
        const mailbox = this.mailboxes.find(rcpt)
        if (mailbox) transaction.rcpt_to.splice(-1, 1, new Address(`<${mailbox}>`))
        transaction.notes.recipients ??= []
        transaction.notes.recipients.push(rcpt.address)
        next(OK, '2.1.5 Recipient OK')
    })
}

exports.take = function (next, connection) {
    if (!connection.relaying) return next()
    return refusing(next, (text) => connection.logerror(text), async () => {
        const { mail_from, rcpt_to, uuid } = connection.transaction
        const original = await message.content(connection.transaction)
        message.check(original, this.plan.limits)
        const [head] = header.split(original)
        const is_missing = (name) => !header.fields(head).some((field) => new RegExp(`^${name}[ \\t]*:`, 'i').test(field))
        const fields = [message.received(connection, this.plan.hostname)]
        // RFC 6409 8.
        if (is_missing('Date')) fields.push(`Date: ${new Date().toUTCString().replace('GMT', '+0000')}\r\n`)
        if (is_missing('Message-ID')) fields.push(`Message-ID: <${uuid}@${this.plan.hostname}>\r\n`)
        const outgoing = message.prepended(original, fields, this.plan.hostname)
        await queued(mail_from.address, rcpt_to.map((rcpt) => rcpt.address), outgoing)
        next()
    })
}

exports.accept = (next) => next(OK, '2.0.0 Queued')
