'use strict'
// Replies to the client.

// Haraka takes the code and the text from any object whose class has this name; its own DSN class has a
// fixed list of codes.
class DSN {
    constructor(code, reply) {
        this.code = code
        this.reply = reply
    }
}

// Thrown where a command or a message is refused.
class Refusal extends Error {
    constructor(code, reply) {
        super(`${code} ${reply}`)
        this.code = code
        this.reply = reply
    }
}

// Runs a hook that may throw a Refusal; anything else that it throws is our own fault, and temporary.
exports.refusing = (next, log, hook) =>
    hook().catch((error) => {
        if (!(error instanceof Refusal)) log(error.stack ?? error)
        const { code, reply } = error instanceof Refusal ? error : new Refusal(451, '4.3.0 Internal error')
        next(code < 500 ? DENYSOFT : DENY, new DSN(code, reply))
    })

const { denysoft: DENYSOFT, deny: DENY } = require('haraka-constants')

exports.DSN = DSN
exports.Refusal = Refusal
