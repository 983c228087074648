'use strict'
// forward: every address of the plan to where it leads, in the client's session. The next MTA is asked at
// RCPT, gets the message at its end, and its replies are the client's. Nothing is ever queued: a client that
// sees a 2xx knows that the next MTA has the message.

const dns = require('node:dns')
const { Authentication } = require('../lib/authentication')
const { is_own_name, lower, quoted, split, unquoted } = require('../lib/address')
const header = require('../lib/header')
const { Hosts } = require('../lib/hosts')
const message = require('../lib/message')
const { serving } = require('../lib/patience')
const { Refusal } = require('../lib/reply')
const { Srs, is_srs } = require('../lib/srs')
const { Upstream } = require('../lib/upstream')

exports.register = function () {
    const plan = this.config.get('plan.json')
    this.plan = plan
    this.routes = new Map(plan.aliases.map(({ address, to }) => [key(...split(address)), to]))
    this.domains = new Set(plan.domains)
    this.srs = new Srs(plan.srs.secrets)
    this.service = {
        hostname: plan.hostname,
        page: plan.refer_to,
        domain: plan.signing.domain,
        selector: plan.signing.selector,
        key: this.config.get('signing_key.pem', 'data').join('\n'),
    }
    this.resolver = new dns.promises.Resolver({ timeout: 1000, tries: 2 })
    this.hosts = new Hosts(this.resolver, plan.hostname, [plan.ipv4, plan.ipv6])
    this.register_hook('rcpt', 'route')
    this.register_hook('data_post', 'deliver')
    this.register_hook('queue', 'accept')
    this.register_hook('reset_transaction', 'abandon')
}

const LOST = '4.4.2 The connection to the destination was lost, try later'

const key = (local, domain) => `${lower(local)}@${domain}`

exports.route = function (next, connection, [rcpt]) {
    return serving(next, connection, this.plan, async () => {
        const { transaction } = connection
        const local = unquoted(rcpt.user)
        const ours = this.own_domain(rcpt.host)
        if (this.is_callout(transaction, local, ours)) {
            if (transaction.rcpt_to.length > 1) throw new Refusal(452, '4.5.3 This recipient only by itself')
            transaction.notes.callout = true
            return next(OK, '2.1.5 Recipient OK')
        }
        if (transaction.notes.callout) throw new Refusal(452, '4.5.3 This recipient only by itself')
        const to = this.destination(local, rcpt.host, ours)
        const forwarding = ours ?? this.plan.hostname
        const reply = await this.ask(transaction, forwarding, to)
        // Gone, or abandoned by its client, in the meantime.
        if (connection.transaction !== transaction) return transaction.notes.forward?.upstream?.quit()
        transaction.notes.recipients ??= []
        transaction.notes.recipients.push(`${rcpt.user}@${rcpt.host || forwarding}`)
        next(OK, reply.lines)
    })
}

// The domain if it is served here; our own names have no routes but that of the postmaster.
exports.own_domain = function (domain) {
    return this.domains.has(domain) ? domain : undefined
}

// Others verify a sender by RCPT; an address that we have made exists, though it takes no mail.
exports.is_callout = function (transaction, local, ours) {
    return ours && transaction.mail_from.isNull() && this.srs.is_ours(local)
}

exports.destination = function (local, domain, ours) {
    const { contact, refer_to } = this.plan
    if (/^postmaster$/i.test(local) && (ours || is_own_name(domain, this.plan))) return contact
    if (!ours) throw new Refusal(550, `5.7.1 Relaying is not permitted. Refer to ${refer_to}`)
    const taken = !is_srs(local) && lower(local) !== 'bounces'
    const to = this.routes.get(key(local, ours)) ?? (taken ? this.routes.get(`*@${ours}`) : undefined)
    if (!to) throw new Refusal(550, '5.1.1 No such address here')
    return to
}

// Asks the next MTA for one more recipient of this transaction.
exports.ask = async function (transaction, forwarding, to) {
    const { notes } = transaction
    const [to_local, to_domain] = split(to)
    const recipient = `${quoted(unquoted(to_local))}@${to_domain}`
    const { forward } = notes
    if (forward?.is_broken) throw new Refusal(451, LOST)
    // One transaction here is one transaction there.
    const same = forward && forward.forwarding === forwarding && forward.domain === to_domain
    if (forward && !same && forward.recipients.length) {
        throw new Refusal(452, '4.5.3 This recipient in another transaction, please')
    }
    if (!same || !forward.upstream?.is_alive) {
        forward?.upstream?.quit()
        const { mail_from } = transaction
        const from = mail_from.isNull() ? '' : `${quoted(unquoted(mail_from.user))}@${mail_from.host}`
        const sender = from && this.srs.rewrite(from, forwarding)
        notes.forward = { forwarding, domain: to_domain, sender, recipients: same ? forward.recipients : [] }
    }
    const current = notes.forward
    try {
        if (!current.upstream?.is_alive) await this.begin(transaction)
        const reply = await current.upstream.rcpt(recipient)
        current.recipients.push(recipient)
        return reply
    } catch (error) {
        // With the session, those that it had accepted are lost: the message must not go without them.
        current.is_broken = current.recipients.length > 0 && !current.upstream?.is_alive
        throw error
    }
}

// Opens the session, with the recipients accepted so far.
exports.begin = async function (transaction) {
    const { forward, size } = transaction.notes
    const upstream = await Upstream.open(await this.hosts.of(forward.domain), this.plan)
    forward.upstream = upstream
    try {
        // Our fields on top make it larger.
        await upstream.mail(forward.sender, size && size + 8192)
        for (const recipient of forward.recipients) await upstream.rcpt(recipient)
    } catch (error) {
        upstream.quit()
        throw error
    }
}

// Haraka answers a refusal of the queue hook with 550 or 450, whatever it was; that of data_post as it is.
exports.deliver = function (next, connection) {
    return serving(next, connection, this.plan, async () => {
        const { transaction } = connection
        const { notes } = transaction
        if (notes.callout) throw new Refusal(550, '5.1.1 This address takes no mail')
        const original = await message.content(transaction)
        message.check(original, this.plan.limits)
        const outgoing = await this.prepared(connection, original)
        if (connection.transaction !== transaction) return
        const { forward } = notes
        if (forward.is_broken) throw new Refusal(451, LOST)
        // It may have lost patience while the client was sending.
        if (!forward.upstream.is_alive) {
            await this.begin(transaction).catch(() => {
                throw new Refusal(451, LOST)
            })
        }
        try {
            notes.reply = await forward.upstream.data(outgoing)
            next()
        } finally {
            forward.upstream.quit()
        }
    })
}

// The message with our fields on top, and without results in our name that are not ours.
exports.prepared = async function (connection, original) {
    const authentication = new Authentication(this.service, message.client(connection), this.resolver)
    await authentication.verify(original)
    authentication.enforce()
    const fields = [...(await authentication.fields(original)), message.received(connection, this.plan.hostname)]
    return message.prepended(original, fields, (field) => header.is_forged(field, this.plan.hostname))
}

exports.accept = (next, connection) => next(OK, connection.transaction.notes.reply.lines.join('\n'))

// RSET, another MAIL or EHLO, the end of the connection, and the end of each transaction.
exports.abandon = (next, connection) => {
    connection.transaction?.notes.forward?.upstream?.quit()
    next()
}
