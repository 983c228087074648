'use strict'
// A session with the next MTA or with the mailboxes, on Haraka's sockets. Haraka's smtp_client is not used: in 3.3.4 it says
// nothing to its user when the connection is lost, and passes no code of a 2xx or 3xx.

const net_utils = require('haraka-net-utils')
const tls_socket = require('Haraka/tls_socket')
const { stuffed } = require('./dots')
const { Refusal } = require('./reply')

const LINES_MAX = 128
const LINE_MAX = 65536

const lost = () => new Refusal(451, '4.4.2 The connection to the destination was lost, try later')
const malformed = () => new Refusal(451, '4.5.0 The destination gave an invalid reply, try later')

class Upstream {
    // The first of the addresses that takes a session. Throws the last one's refusal.
    static async open(addresses, settings) {
        let refusal = new Refusal(451, '4.4.1 No mail server of the destination can be reached, try later')
        const deadline = Date.now() + settings.timeouts.recipient * 1000
        for (const address of addresses) {
            if (Date.now() > deadline) break
            try {
                return await this.open_one(address, settings)
            } catch (error) {
                if (!(error instanceof Refusal)) continue // not reached
                refusal = error
            }
        }
        throw refusal
    }

    static async open_one(address, settings, with_tls = true) {
        const upstream = new this(address, settings)
        try {
            await upstream.connected()
            await upstream.greet(with_tls)
            return upstream
        } catch (error) {
            if (upstream.is_alive) upstream.quit()
            upstream.socket.destroy()
            // Encryption is better than none, and none is better than no mail (RFC 7435).
            if (upstream.in_handshake) return this.open_one(address, settings, false)
            throw error
        }
    }

    constructor(address, settings) {
        this.settings = settings
        this.is_alive = false
        this.in_handshake = false
        this.lines = [] // of the reply that is arriving
        this.replies = []
        this.waiting = null
        this.socket = tls_socket.connect(this.endpoint(address))
        net_utils.add_line_processor(this.socket, { max_line_length: LINE_MAX })
        this.socket.on('line', (line) => this.take(line.replace(/\r?\n$/, '')))
        this.socket.on('error', (error) => this.fail(/^Line length/.test(error.message) ? malformed() : lost()))
        for (const event of ['end', 'close']) this.socket.on(event, () => this.fail(lost()))
    }

    endpoint(address) {
        const { ipv4, ipv6 } = this.settings
        return { host: address, port: 25, localAddress: address.includes(':') ? ipv6 : ipv4 }
    }

    connected() {
        return new Promise((resolve, reject) => {
            const { upstream_connect } = this.settings.timeouts
            const timer = setTimeout(() => reject(new Error('time-out')), upstream_connect * 1000)
            this.socket.once('connect', () => {
                clearTimeout(timer)
                this.is_alive = true
                resolve()
            })
            for (const event of ['error', 'close']) {
                this.socket.once(event, () => {
                    clearTimeout(timer)
                    reject(new Error('not reached'))
                })
            }
        })
    }

    async greet(with_tls) {
        this.expect('2', await this.reply())
        await this.hello()
        if (!with_tls || !this.offers('STARTTLS')) return
        const { code } = await this.command('STARTTLS')
        if (code !== '220') return
        this.in_handshake = true
        await this.handshake()
        await this.hello()
        this.in_handshake = false
    }

    async hello() {
        let reply = await this.introduce('EHLO')
        if (/^50[0-4]/.test(reply.code)) {
            this.extensions = []
            reply = await this.command(`HELO ${this.settings.ehlo}`)
        }
        this.expect('2', reply)
    }

    async introduce(verb) {
        const reply = await this.command(`${verb} ${this.settings.ehlo}`)
        this.extensions = reply.lines.slice(1).map((line) => line.toUpperCase().split(' '))
        return reply
    }

    handshake() {
        // What came in the clear after the reply to STARTTLS is nobody's word (RFC 3207 4.2).
        this.lines = []
        this.replies = []
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(lost()), this.settings.timeouts.upstream_command * 1000)
            this.socket.once('error', reject)
            this.socket.once('close', reject)
            this.socket.upgrade({ rejectUnauthorized: false, minVersion: 'TLSv1.2' }, () => {
                clearTimeout(timer)
                resolve()
            })
        })
    }

    // The words of an extension that is offered.
    offers(name) {
        return this.extensions.find((words) => words[0] === name)
    }

    // Commands

    check_size(size) {
        const limit = Number(this.offers('SIZE')?.[1] ?? 0)
        if (limit && size > limit) throw new Refusal(552, '5.3.4 The message is too large for the destination')
    }

    async mail(sender, size) {
        this.check_size(size)
        const parameters = [
            this.offers('SIZE') && size ? ` SIZE=${size}` : '',
            this.offers('8BITMIME') ? ' BODY=8BITMIME' : '',
        ]
        this.expect('2', await this.command(`MAIL FROM:<${sender}>${parameters.join('')}`))
    }

    async rcpt(recipient) {
        return this.expect('2', await this.command(`RCPT TO:<${recipient}>`))
    }

    async data(message) {
        await this.send(message)
        return this.expect('2', await this.reply(this.settings.timeouts.upstream_data_end))
    }

    async send(message) {
        this.check_size(message.length)
        if (!this.offers('8BITMIME') && message.some((octet) => octet > 0x7f)) {
            throw new Refusal(554, '5.6.3 The destination does not take 8-bit content')
        }
        this.expect('3', await this.command('DATA'))
        this.refuse_early()
        this.socket.write(stuffed(message))
        this.socket.write('.\r\n')
    }

    quit() {
        if (!this.is_alive) return
        this.is_alive = false
        this.socket.write('QUIT\r\n')
        this.socket.end()
        setTimeout(() => this.socket.destroy(), this.settings.timeouts.upstream_command * 1000).unref()
    }

    // Replies

    async command(line) {
        if (!this.is_alive) throw this.failure ?? lost()
        this.refuse_early()
        this.socket.write(`${line}\r\n`)
        return this.reply()
    }

    // A reply that came before what it could answer is none. An MTA that leaves says so with 421.
    refuse_early() {
        if (!this.replies.length) return
        const early = this.replies.shift()
        this.fail(early.code === '421' ? lost() : malformed())
        throw this.failure
    }

    reply(seconds = this.settings.timeouts.upstream_command) {
        if (this.replies.length) return Promise.resolve(this.replies.shift())
        if (!this.is_alive) return Promise.reject(this.failure ?? lost())
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => this.fail(lost()), seconds * 1000)
            const settled = (settle) => (value) => {
                clearTimeout(timer)
                this.waiting = null
                settle(value)
            }
            this.waiting = { resolve: settled(resolve), reject: settled(reject) }
        })
    }

    take(line) {
        const [, code, separator, text = ''] = /^([2-5][0-9]{2})(?:([ -])(.*))?$/.exec(line) ?? []
        const is_other = this.lines.length > 0 && this.code !== code
        if (!code || is_other || this.lines.length === LINES_MAX) return this.fail(malformed())
        this.code = code
        this.lines.push(text)
        if (separator === '-') return
        const reply = { code, lines: this.lines }
        this.lines = []
        if (this.waiting) this.waiting.resolve(reply)
        else this.replies.push(reply)
    }

    fail(refusal) {
        this.is_alive = false
        this.failure = refusal
        this.socket.destroy()
        this.waiting?.reject(refusal)
    }

    // The reply, if it is of the class that was asked for. Otherwise it is thrown: what the destination
    // refuses is refused to the client in the same words.
    expect(kind, reply) {
        if (reply.code[0] === kind) return { code: reply.code, lines: reply.lines.map(harmless) }
        if (!/^[45]/.test(reply.code)) throw malformed()
        if (reply.code === '421') this.quit()
        // The client's connection stays, so 421 would not be true.
        const code = reply.code === '421' ? 451 : Number(reply.code)
        throw new Refusal(code, reply.lines.map(harmless))
    }
}

// A reply's text is printable ASCII, and its line short (RFC 5321 4.2, 4.5.3.1.5). Haraka drops empty lines.
const harmless = (text) => text.replace(/[^\t\x20-\x7e]/g, '?').slice(0, 500) || 'No text'

exports.Upstream = Upstream
