'use strict'
// Haraka's outbound queue, for a message that is to leave octet for octet as it is.

const { Address } = require('@haraka/email-address')
const constants = require('haraka-constants')
const outbound = require('Haraka/outbound')
const { createTransaction } = require('Haraka/transaction')
const { stuffed } = require('./dots')

// Haraka adds no field to a header that seems to have it, and writes the octets of one of which it knows no lines.
const KEPT = { get_all: () => ['kept'], get: () => 'kept' }

// Resolves when it is on the disk. `recipients` are addresses; `notes` go with it to the hooks of outbound.
exports.queued = (sender, recipients, message, notes = {}) => {
    const transaction = createTransaction(null)
    Object.assign(transaction.notes, notes)
    transaction.mail_from = new Address(`<${sender}>`)
    transaction.rcpt_to = recipients.map((recipient) => new Address(`<${recipient}>`))
    transaction.header = KEPT
    transaction.message_stream.add_line(stuffed(message))
    transaction.message_stream.add_line_end()
    return new Promise((resolve, reject) =>
        outbound.send_trans_email(transaction, (code, text) => {
            transaction.message_stream.destroy()
            if (code === constants.ok) resolve()
            else reject(new Error(`not queued: ${text}`))
        }),
    )
}
