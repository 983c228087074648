'use strict'
// Transparency (RFC 5321 4.5.2). Haraka 3.3.4 takes a dot away only where a second one follows it.

const LINE_END_DOT = '\r\n.'

// What each leading dot is replaced by.
function replaced(message, dot) {
    const parts = []
    let from = 0
    if (message[0] === 0x2e) {
        parts.push(Buffer.from(dot))
        from = 1
    }
    for (let at = message.indexOf(LINE_END_DOT); at !== -1; at = message.indexOf(LINE_END_DOT, at + 3)) {
        parts.push(message.subarray(from, at + 2), Buffer.from(dot))
        from = at + 3
    }
    parts.push(message.subarray(from))
    return Buffer.concat(parts)
}

exports.stuffed = (message) => replaced(message, '..')
exports.unstuffed = (message) => replaced(message, '')
