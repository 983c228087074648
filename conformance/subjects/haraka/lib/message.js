'use strict'
// A message between its client and the next MTA: its octets, what is refused of them, and our fields on top.

const net = require('node:net')
const { unstuffed } = require('./dots')
const header = require('./header')
const { Refusal } = require('./reply')

// Octets as the client sent them, without dot-stuffing. Haraka would write the header as it understood it.
exports.content = (transaction) => {
    transaction.header.header_list.length = 0
    return new Promise((resolve) =>
        transaction.message_stream.get_data({ dot_stuffed: false }, (wire) => resolve(unstuffed(wire))),
    )
}

exports.check = (message, limits) => {
    const [head] = header.split(message)
    if (message.includes(0) || has_bare_cr(message)) {
        throw new Refusal(550, '5.6.0 A bare CR or a NUL is in the message')
    }
    if (/^[ \t]/.test(head)) throw new Refusal(550, '5.6.0 The header begins with a continuation line')
    const { header_size, message_size, received_fields } = limits
    if (message.length > message_size) throw new Refusal(552, '5.3.4 The message is too large')
    if (header.fields(head).filter((field) => header.is_named(field, 'Received')).length >= received_fields) {
        throw new Refusal(554, '5.4.6 Too many Received fields: a loop')
    }
    if (head.length > header_size) throw new Refusal(552, '5.3.4 The header is too large')
}

// Haraka refuses a bare LF by itself.
function has_bare_cr(message) {
    for (let at = message.indexOf('\r'); at !== -1; at = message.indexOf('\r', at + 1)) {
        if (message[at + 1] !== 0x0a) return true
    }
    return false
}

// With fields on top, and without those that are not to stay.
exports.prepended = (original, fields, is_dropped) => {
    const [head, rest] = header.split(original)
    const kept = header.fields(head).some(is_dropped)
        ? header.fields(head).filter((field) => !is_dropped(field)).join('')
        : head
    return Buffer.concat([Buffer.from(fields.join('') + kept, 'latin1'), rest])
}

// Who sent it, as it is authenticated.
exports.client = ({ remote, hello, transaction: { mail_from } }) => ({
    ip: remote.ip,
    helo: hello.host,
    sender: mail_from.isNull() ? '' : `${mail_from.user}@${mail_from.host}`,
})

const date = () => new Date().toUTCString().replace('GMT', '+0000')

// notes.recipients has the recipients as they were addressed.
exports.received = ({ hello, remote, tls, transaction }, host) => {
    const ip = net.isIPv6(remote.ip) ? `[IPv6:${remote.ip}]` : `[${remote.ip}]`
    const is_domain = /^([\w-]+(\.[\w-]+)*|\[([0-9.]+|IPv6:[0-9a-f:.]+)\])$/i.test(hello.host)
    const protocol = (hello.verb === 'EHLO' ? 'ESMTP' : 'SMTP') + (tls.enabled ? 'S' : '')
    const { recipients } = transaction.notes
    const only = recipients.length === 1 ? `\r\n\tfor <${recipients[0]}>` : ''
    return (
        `Received: from ${is_domain ? hello.host : ip} (${ip})\r\n` +
        `\tby ${host} with ${protocol} id ${transaction.uuid}${only};\r\n\t${date()}\r\n`
    )
}

exports.date = date
