'use strict'
// The header of a message as its client sent it, octet for octet; in latin1, which keeps all octets.

const { lower } = require('./address')

// [header, the empty line and the body]
exports.split = (message) => {
    if (message.indexOf('\r\n') === 0) return ['', message]
    const end = message.indexOf('\r\n\r\n')
    const header = end === -1 ? message : message.subarray(0, end + 2)
    return [header.toString('latin1'), message.subarray(header.length)]
}

// Fields with their continuation lines.
exports.fields = (header) => header.match(/[^\r\n][^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/g) ?? []

exports.is_named = (field, name) => new RegExp(`^${name}[ \\t]*:`, 'i').test(field)

// Whether it is an Authentication-Results field in the name of `host`, in whatever spelling, or of a version
// that nobody here reads (RFC 8601 5).
exports.is_forged = (field, host) => {
    const match = /^authentication-results[ \t]*:([\s\S]*)$/i.exec(field)
    if (!match) return false
    let value = match[1]
    for (let before; before !== value; ) {
        before = value
        value = value.replace(/\((?:[^()\\]|\\[\s\S])*\)/g, ' ') // comments, which nest
    }
    value = value.replace(/^\s*i\s*=\s*\d+\s*;/i, '')
    const name = /^\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/.exec(value)
    if (!name) return false
    const version = /^\s+(\d+)/.exec(value.slice(name[0].length))
    if (version && Number(version[1]) !== 1) return true
    return lower((name[1] ?? name[2]).replace(/\\(.)/g, '$1')) === host
}
