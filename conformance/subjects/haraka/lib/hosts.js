'use strict'
// Where a domain's mail goes: its MX hosts and their addresses (RFC 5321 5.1). Haraka's own get_mx takes a
// failed address lookup for an absent address; a forwarder without a queue has to tell them apart, since
// its reply is permanent or temporary.

const ipaddr = require('ipaddr.js')
const { Refusal } = require('./reply')

const ABSENT = ['ENODATA', 'ENOTFOUND']
const FAILED = () => new Refusal(451, '4.4.3 The lookup of the destination failed, try later')
// Kinds of addresses (in the terms of ipaddr.js) that are nobody's MX host.
const NEVER = ['unspecified', 'loopback', 'linkLocal', 'multicast', 'broadcast']

class Hosts {
    constructor(resolver, own_name, own_addresses) {
        this.resolver = resolver
        this.own_name = own_name
        this.own_addresses = own_addresses
    }

    // The addresses to try, in order. Throws a Refusal.
    async of(domain) {
        const hosts = await this.exchanges(domain)
        const found = await Promise.all(
            hosts.map(async (host) => ({ ...host, ...(await this.addresses(host.exchange)) })),
        )
        // Where we are an MX host ourselves, only more preferred ones are tried.
        const own = found.filter((host) => this.is_self(host)).map((host) => host.priority)
        const usable = found.filter((host) => host.priority < Math.min(...own))
        const addresses = usable.flatMap((host) => host.addresses)
        if (addresses.length) return addresses
        if (own.length && !usable.some((host) => host.failed)) {
            throw new Refusal(554, '5.4.6 Mail for this destination would loop')
        }
        if (found.some((host) => host.failed)) throw FAILED()
        if (found.some((host) => host.found)) throw new Refusal(451, '4.4.1 The destination has no usable address')
        throw new Refusal(550, '5.1.2 The destination has no mail server')
    }

    async exchanges(domain) {
        let found
        try {
            found = await this.resolver.resolveMx(domain)
        } catch (error) {
            if (error.code === 'ENOTFOUND') throw new Refusal(550, '5.1.2 The destination domain does not exist')
            if (error.code !== 'ENODATA') throw FAILED()
            found = [{ exchange: domain, priority: 0 }]
        }
        if (found.length === 1 && found[0].exchange === '') {
            throw new Refusal(556, '5.1.10 The destination accepts no mail') // RFC 7505
        }
        // Equal preferences in any order; sort() keeps it.
        return found
            .map((host) => [Math.random(), host])
            .sort(([a], [b]) => a - b)
            .map(([, host]) => host)
            .sort((a, b) => a.priority - b.priority)
    }

    // IPv6 first.
    async addresses(name) {
        const settled = await Promise.allSettled([this.resolver.resolve6(name), this.resolver.resolve4(name)])
        const found = settled.flatMap((one) => one.value ?? [])
        return {
            found: found.length > 0,
            failed: settled.some((one) => one.reason && !ABSENT.includes(one.reason.code)),
            all: found,
            addresses: found.filter((address) => !is_nobody(address)),
        }
    }

    is_self(host) {
        const { exchange, all } = host
        return exchange.toLowerCase() === this.own_name || all.some((address) => this.own_addresses.includes(address))
    }
}

const is_nobody = (address) => NEVER.includes(ipaddr.process(address).range()) || address.startsWith('0.')

exports.Hosts = Hosts
