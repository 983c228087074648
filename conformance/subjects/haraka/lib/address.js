'use strict'
// Local parts and domains (RFC 5321 4.1.2).

const { domainToASCII } = require('node:url')

const ATOMS = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/

exports.is_ascii = (text) => /^[\x00-\x7f]*$/.test(text)

// ASCII alone, whatever the locale.
exports.lower = (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

// The content of a local part: quoted forms are compared by it.
exports.unquoted = (local) => (/^".*"$/.test(local) ? local.slice(1, -1).replace(/\\(.)/g, '$1') : local)

exports.quoted = (content) => (ATOMS.test(content) ? content : `"${content.replace(/(["\\])/g, '\\$1')}"`)

exports.split = (address) => {
    const at = address.lastIndexOf('@')
    return [address.slice(0, at), domainToASCII(address.slice(at + 1))]
}

// Whether mail for it is for this host itself, where only the postmaster is.
exports.is_own_name = (domain, { hostname, ipv4, ipv6 }) =>
    !domain || [hostname, `[${ipv4}]`, `[ipv6:${ipv6}]`].includes(exports.lower(domain))
