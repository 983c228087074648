'use strict'
// submission: what the own users hand in, at port 587 of 127.0.0.1 (RFC 6409), goes to the queue.

const { Address } = require('@haraka/email-address')
const header = require('../lib/header')
const { Mailboxes } = require('../lib/mailboxes')
const message = require('../lib/message')
const { serving } = require('../lib/patience')
const { queued } = require('../lib/queue')

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
    return serving(next, connection, this.plan, async () => {
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
    return serving(next, connection, this.plan, async () => {
        const { mail_from, rcpt_to, uuid } = connection.transaction
        const original = await message.content(connection.transaction)
        message.check(original, this.plan.limits)
        const { hostname } = this.plan
        const given = header.fields(header.split(original)[0])
        const is_missing = (name) => !given.some((field) => header.is_named(field, name))
        const fields = [message.received(connection, hostname)]
        // RFC 6409 8.1 and 8.2; RFC 5321 4.4 has no Return-Path sent.
        if (is_missing('Date')) fields.push(`Date: ${message.date()}\r\n`)
        if (is_missing('Message-ID')) fields.push(`Message-ID: <${uuid}@${hostname}>\r\n`)
        const outgoing = message.prepended(original, fields, (field) => header.is_named(field, 'Return-Path'))
        await queued(mail_from.address, rcpt_to.map((rcpt) => rcpt.address), outgoing)
        next()
    })
}

exports.accept = (next) => next(OK, '2.0.0 Queued')
