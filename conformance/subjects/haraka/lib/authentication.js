'use strict'
// SPF, DKIM, DMARC and ARC by mailauth: what a message is, what is recorded of it, whose word is taken for it,
// and our signatures.

// Not all of mailauth at once: its BIMI needs a newer Node than Debian's.
const { arc, createSeal } = require('mailauth/lib/arc')
const { dkimSign } = require('mailauth/lib/dkim/sign')
const { dkimVerify } = require('mailauth/lib/dkim/verify')
const { dmarc } = require('mailauth/lib/dmarc')
const { spf } = require('mailauth/lib/spf')
const { parseFrom } = require('@haraka/email-address')
const { lower } = require('./address')
const { Refusal } = require('./reply')

const MIN_KEY_BITS = 1024 // RFC 8301
const SETS_MAX = 50 // RFC 8617 4.2.1
const WEEK_MS = 7 * 86400000
const SIGNED =
    'from:to:cc:subject:date:message-id:reply-to:in-reply-to:references:' +
    'mime-version:content-type:content-transfer-encoding'

const is_name = (text) => /^[\w-]+(\.[\w-]+)*$/.test(text)
const quoted = (text) => `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
const value = (text) => (/^[\w.@+-]+$/.test(text) ? text : quoted(text))

class Authentication {
    // service: {hostname, page}, and what it has of {domain, selector, key} to sign with, {trusted_sealers}.
    // client: {ip, helo, sender}; resolver: of dns.promises
    constructor(service, client, resolver) {
        this.service = service
        this.client = client
        this.resolve = (name, type) => resolve(resolver, name, type)
        this.signer = {
            signingDomain: service.domain,
            selector: service.selector,
            privateKey: service.key,
            algorithm: 'rsa-sha256',
        }
    }

    async verify(message) {
        const { service, client, resolve: resolver } = this
        this.seal = { ...this.signer }
        const options = { resolver, minBitLength: MIN_KEY_BITS }
        const asked = { ip: client.ip, helo: client.helo, sender: client.sender, mta: service.hostname, resolver }
        ;[this.spf, this.dkim] = await Promise.all([
            spf(asked),
            // It puts the body's hash into `seal`. The sender is not looked at.
            dkimVerify(message, { ...options, seal: this.seal, sender: client.sender || 'postmaster@invalid' }),
        ])
        this.signatures = this.dkim.results.filter((one) => one.status.result !== 'none').map(corrected)
        this.arc = await arc(this.dkim.arc, options)
        this.dmarc = await this.judge()
        this.vouching = this.trusted_sealer()
    }

    // The sealer on whose word a message is taken that fails DMARC here. It passed where a trusted service
    // recorded that, and only trusted ones have had it since (RFC 8617 7.2.1).
    trusted_sealer() {
        if (this.arc.status.result !== 'pass') return null
        const is_trusted = (domain) => this.service.trusted_sealers?.includes(lower(domain))
        for (const set of [...this.dkim.arc.chain].reverse()) {
            const domain = set['arc-seal'].parsed.d.value
            if (!is_trusted(domain)) return null
            if (/;\s*dmarc\s*=\s*pass\b/i.test(set['arc-authentication-results'].original)) return domain
        }
        return null
    }

    // DMARC. mailauth finds the organizational domain by the Public Suffix List, as RFC 7489 has it.
    async judge() {
        const fields = this.dkim.headers.parsed.filter((field) => field.key === 'from')
        const texts = fields.map((field) => field.line.toString().replace(/^[^:]*:/, '').replace(/\r\n/g, '').trim())
        // A report often has a From field without an address.
        if (!this.client.sender && !texts.some((text) => text.includes('@'))) return null
        const domains = new Set(texts.flatMap(author_domains))
        const [author_domain] = domains
        if (fields.length !== 1 || domains.size !== 1 || !author_domain || author_domain.startsWith('[')) {
            throw new Refusal(550, '5.7.1 From has to name one domain')
        }
        this.author_domain = author_domain
        const spf_passes = this.spf.status.result === 'pass'
        const passing = this.signatures.filter((one) => one.result === 'pass' && !one.underSized)
        const judged = await dmarc({
            headerFrom: [`author@${author_domain}`],
            spfDomains: spf_passes ? [this.spf.domain] : [],
            dkimDomains: passing.map(({ id, domain, aligned }) => ({ id, domain, aligned })),
            arcResult: this.arc,
            resolver: this.resolve,
        })
        // mailauth reports strict mode, and then aligns as in relaxed mode (RFC 7489 3.1).
        if (judged.status.result === 'pass') {
            const { spf: by_spf, dkim: by_dkim } = judged.alignment
            const exact = (domain) => lower(domain) === author_domain
            const aligned =
                (by_spf.strict ? spf_passes && exact(this.spf.domain) : by_spf.result) ||
                (by_dkim.strict ? passing.some((one) => exact(one.domain)) : by_dkim.result)
            if (!aligned) judged.status.result = 'fail'
        }
        return judged
    }

    // Throws a Refusal.
    enforce() {
        if (this.vouching) return
        const { result } = this.dmarc?.status ?? {}
        const policy = String(this.dmarc?.policy).toLowerCase()
        const open = [this.spf.status.result, ...this.signatures.map((one) => one.result)].includes('temperror')
        if (result === 'temperror' || (result === 'fail' && policy === 'reject' && open)) {
            throw new Refusal(451, '4.7.0 DNS failed while the message was authenticated, try later')
        }
        if (result === 'fail' && policy === 'reject') {
            const { author_domain, service } = this
            throw new Refusal(550, `5.7.26 Rejected by the DMARC policy of ${author_domain}. Refer to ${service.page}`)
        }
    }

    // What follows the name of this field in Authentication-Results and ARC-Authentication-Results.
    results() {
        const { client } = this
        const identity = client.sender
            ? `smtp.mailfrom=${value(this.spf.domain)}`
            : `smtp.helo=${value(client.helo)}`
        const found = [
            `spf=${this.spf.status.result} ${identity}`,
            ...(this.signatures.length ? this.signatures.map((one) => one.text) : ['dkim=none']),
            `arc=${this.arc.status.result} smtp.remote-ip=${value(client.ip)}`,
        ]
        const result = this.dmarc?.status.result
        const reason = result === 'fail' && this.vouching ? ` reason="sealed by ${this.vouching}"` : ''
        const from = this.dmarc && ` header.from=${value(this.author_domain)}`
        found.push(this.dmarc ? `dmarc=${result}${reason}${from}` : 'dmarc=none')
        return `${this.service.hostname};\r\n\t${found.join(';\r\n\t')}`
    }

    // The fields to put on top, the last one lowest.
    async fields(message) {
        return [
            ...(await this.sealed()),
            await this.signed(message),
            ...this.recorded(),
        ]
    }

    recorded() {
        return [`Authentication-Results: ${this.results()}\r\n`, this.received_spf()]
    }

    received_spf() {
        const { client, service } = this
        const pairs = [
            `receiver=${service.hostname}`,
            `client-ip=${client.ip.includes(':') ? quoted(client.ip) : client.ip}`,
            `identity=${client.sender ? 'mailfrom' : 'helo'}`,
            `helo=${is_name(client.helo) ? client.helo : quoted(client.helo)}`,
        ]
        if (client.sender) pairs.push(`envelope-from=${quoted(client.sender)}`)
        return `Received-SPF: ${this.spf.status.result}\r\n\t${pairs.join(';\r\n\t')}\r\n`
    }

    async signed(message) {
        const now = Date.now()
        const made = await dkimSign(message, {
            canonicalization: 'relaxed/relaxed',
            signTime: new Date(now),
            expires: new Date(now + WEEK_MS),
            headerList: SIGNED,
            signatureData: [this.signer],
        })
        if (made.errors?.length) throw made.errors[0].err
        return made.signatures
    }

    // The three fields of our ARC set. A chain that somebody else found to have failed gets none.
    async sealed() {
        const { result, shouldSeal } = this.arc.status
        const i = (this.arc.i || 0) + 1
        if (i > SETS_MAX || (result === 'fail' && !shouldSeal)) return []
        const { headers, arc: chain } = this.dkim
        const seal = {
            ...this.seal,
            i,
            cv: result,
            authResults: this.results(),
            signTime: new Date(),
            headerList: `dkim-signature:${SIGNED}`,
        }
        const made = await createSeal(false, { headers, arc: chain, seal })
        return made.headers.map((field) => `${field.trimEnd()}\r\n`)
    }
}

// mailauth's SPF takes an include whose lookup fails in another way than by a time-out for no match.
function resolve(resolver, name, type) {
    return resolver.resolve(name, type).catch((error) => {
        if (!['ENODATA', 'ENOTFOUND'].includes(error.code)) error.code = 'ETIMEOUT'
        throw error
    })
}

// The domains of the authors in a From field. mailauth's own reading takes many a field that is none, and
// then a domain out of a quoted local part.
function author_domains(text) {
    try {
        return parseFrom(text)
            .flatMap((one) => one.addresses ?? [one])
            .map((address) => lower(address.host ?? ''))
    } catch {
        // Not valid, but all readers agree: one address in angle brackets, and no other @.
        const only = /^[^<>@]*<[^<>@]+@([^<>@\s]+)>[^<>@]*$/.exec(text)
        return only ? [lower(only[1])] : []
    }
}

// A signature's result in the words of RFC 8601 2.7.1. mailauth says neutral of an altered body, and of a
// key that is absent or cannot be used; and it knows nothing of RFC 8301, which forbids rsa-sha1.
function corrected(one) {
    const { status, signingDomain, selector, id } = one
    const comment = String(status.comment ?? '')
    let { result } = status
    if (result === 'neutral') result = /hash|expir/.test(comment) ? 'fail' : 'permerror'
    if (/^rsa-sha1$/i.test(status.header?.a)) result = 'policy'
    const said = comment ? ` (${comment.replace(/[^ -'*-[\]-~]/g, '')})` : ''
    return {
        id,
        result,
        domain: signingDomain,
        aligned: status.aligned,
        underSized: status.underSized,
        text: `dkim=${result}${said} header.d=${value(signingDomain)} header.s=${value(selector)}`,
    }
}

exports.Authentication = Authentication
