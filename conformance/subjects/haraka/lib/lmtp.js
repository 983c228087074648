'use strict'
// A session with the mailboxes by LMTP (RFC 2033), which answers the message once for each recipient.

const { Refusal } = require('./reply')
const { Upstream } = require('./upstream')

class Lmtp extends Upstream {
    endpoint() {
        return this.settings.lmtp
    }

    async hello() {
        this.expect('2', await this.introduce('LHLO'))
    }

    // What became of each of the recipients that were accepted: a reply, or the Refusal.
    async deliver(message, recipients) {
        const outcomes = []
        await this.send(message)
        for (let count = 0; count < recipients; count++) {
            try {
                outcomes.push(this.expect('2', await this.reply(this.settings.timeouts.upstream_data_end)))
            } catch (error) {
                if (!(error instanceof Refusal)) throw error
                outcomes.push(error)
            }
        }
        return outcomes
    }
}

exports.Lmtp = Lmtp
