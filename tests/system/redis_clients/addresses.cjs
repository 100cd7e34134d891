// A name has two addresses, and only at the second is there a node. usage: node addresses.cjs PORT, with NODE_PATH
'use strict';
const dns = require('node:dns');
const { say, run } = require('./said.cjs');

function lookup(host, options, callback) {
  const found = ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 }));
  if (options.all) callback(null, found);
  else callback(null, found[0].address, 4);
}
dns.lookup = lookup;

run(async (port) => {
  const Redis = require('ioredis');
  const { createClient } = require('redis');
  const one = new Redis({ host: 'hive', port, retryStrategy: null });
  await say('ioredis', () => one.ping());
  one.disconnect();
  const socket = { host: 'hive', port, lookup, reconnectStrategy: false };
  // Else it asks for the address once more, in its own way, to tell a cloud where it is.
  const other = createClient({ socket, maintNotifications: 'disabled' }).on('error', console.error);
  await say('node-redis', async () => {
    await other.connect();
    return other.ping();
  });
  await other.close();
});
