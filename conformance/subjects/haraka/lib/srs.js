'use strict'
// The Sender Rewriting Scheme of Shevek's paper: SRS0=HHHH=TT=domain=local, SRS1 for what is already SRS0.

const crypto = require('node:crypto')
const { lower, quoted, unquoted } = require('./address')

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const DAY_MS = 86400000
const MAX_AGE_DAYS = 21
const LOCAL_MAX = 64 // RFC 5321 4.5.3.1.1

class Srs {
    // The first secret makes addresses, all of them verify.
    constructor(secrets) {
        this.secrets = secrets
    }

    // The sender's address at our domain. What would get too long becomes an address that takes no mail.
    rewrite(sender, domain) {
        const at = sender.lastIndexOf('@')
        const host = sender.slice(at + 1)
        if (at === -1 || lower(host) === domain) return sender
        const made = quoted(this.local_part(unquoted(sender.slice(0, at)), host))
        return `${made.length > LOCAL_MAX ? 'bounces' : made}@${domain}`
    }

    local_part(local, host) {
        const srs0 = /^SRS0([=+-].*)$/i.exec(local)
        const srs1 = /^SRS1[=+-][^=]*=([^=]+)=([=+-].*)$/i.exec(local)
        if (srs1) return `SRS1=${this.hash(srs1[1] + srs1[2])}=${srs1[1]}=${srs1[2]}`
        if (srs0) return `SRS1=${this.hash(host + srs0[1])}=${host}=${srs0[1]}`
        const day = Math.floor(Date.now() / DAY_MS) % 1024
        const rest = `${BASE32[day >> 5]}${BASE32[day & 31]}=${host}=${local}`
        return `SRS0=${this.hash(rest.replaceAll('=', ''))}=${rest}`
    }

    // Whether we made this local part, not too long ago.
    is_ours(local) {
        const srs0 = /^SRS0[=+-]([^=]+)=(([^=]{2})=([^=]+)=(.*))$/i.exec(local)
        if (srs0) return this.verify(srs0[1], srs0[2].replaceAll('=', '')) && is_recent(srs0[3])
        const srs1 = /^SRS1[=+-]([^=]+)=([^=]+)=([=+-].*)$/i.exec(local)
        return !!srs1 && this.verify(srs1[1], srs1[2] + srs1[3])
    }

    verify(hash, text) {
        return this.secrets.some((secret) => lower(this.hash(text, secret)) === lower(hash))
    }

    hash(text, secret = this.secrets[0]) {
        return crypto.createHmac('sha1', secret).update(lower(text)).digest('base64').slice(0, 4)
    }
}

function is_recent(stamp) {
    const [high, low] = [...stamp.toUpperCase()].map((letter) => BASE32.indexOf(letter))
    if (high < 0 || low < 0) return false
    const age = (Math.floor(Date.now() / DAY_MS) - (high * 32 + low) + 1024) % 1024
    return age <= MAX_AGE_DAYS || age === 1023 // a clock that is a day ahead
}

exports.Srs = Srs
exports.is_srs = (local) => /^SRS[01][=+-]/i.test(local)
