'use strict'
// Which addresses are mailboxes here.

const { is_own_name, lower, quoted, split, unquoted } = require('./address')
const { Refusal } = require('./reply')

class Mailboxes {
    constructor(plan) {
        this.plan = plan
        this.domains = new Set(plan.mailbox_domains)
        this.known = new Map(plan.mailboxes.map((address) => [key(...split(address)), address]))
    }

    // The mailbox to which a recipient's mail goes, or undefined in a domain of others. Throws a Refusal.
    find({ user, host }) {
        const is_ours = this.domains.has(host)
        if (/^postmaster$/i.test(unquoted(user)) && (is_ours || is_own_name(host, this.plan))) return this.plan.contact
        if (!is_ours) return undefined
        const mailbox = this.known.get(key(user, host))
        if (!mailbox) throw new Refusal(550, '5.1.1 No such mailbox here')
        return mailbox
    }
}

// Local parts in any case and any quoting.
const key = (local, domain) => `${lower(quoted(unquoted(local)))}@${domain}`

exports.Mailboxes = Mailboxes
