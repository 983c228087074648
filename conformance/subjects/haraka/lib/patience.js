'use strict'
// The client's time-out is for what the client does: it does not run while we ask others.

exports.patiently = async (connection, seconds, act) => {
    const { client } = connection
    client.setTimeout(0)
    try {
        return await act()
    } finally {
        client.setTimeout(seconds * 1000)
    }
}
