'use strict'
// What takes its time while a client waits.

const { refusing } = require('./reply')

// The client's time-out is for what the client does: it does not run while we ask others.
async function patiently(connection, seconds, act) {
    const { client } = connection
    client.setTimeout(0)
    try {
        return await act()
    } finally {
        client.setTimeout(seconds * 1000)
    }
}

exports.patiently = patiently

// A hook that does so, and may throw a Refusal.
exports.serving = (next, connection, { timeouts }, act) =>
    refusing(next, (text) => connection.logerror(text), () => patiently(connection, timeouts.client_command, act))
