// The scenario of node-redis. usage: node node_redis.cjs PORT RESP, with NODE_PATH
'use strict';
const { createClient, createClientPool, RESP_TYPES } = require('redis');
const { say, near, run } = require('./said.cjs');

run(async (port) => {
  const options = { url: `redis://127.0.0.1:${port}/0`, name: 'shop', RESP: Number(process.argv[3]) };
  const client = await createClient(options).on('error', console.error).connect();
  const other = await client.duplicate().on('error', console.error).connect();
  await say('flushall', () => client.flushAll());
  await say('ping', async () => [await client.ping(), await client.ping('hello'), await client.echo('hello')]);
  await say('getname', () => client.clientGetName());

  await say('set', () => client.set('greeting', 'hällo'));
  await say('get', () => client.get('greeting'));
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await say('bytes', async () => [await client.set('bytes', Buffer.from([0, 255, 13])), await bytes.get('bytes')]);
  await say('none', () => client.get('none'));
  await say('px nx', () => client.set('lock', 'me', { expiration: { type: 'PX', value: 100000 }, condition: 'NX' }));
  await say('nx again', () => client.set('lock', 'you', { condition: 'NX' }));
  await say('pttl', async () => near(await client.pTTL('lock'), 100000));
  await say('set get', () => client.set('lock', 'you', { expiration: 'KEEPTTL', GET: true }));
  await say('persist', async () => [await client.persist('lock'), await client.ttl('lock')]);
  await say('expire', async () => [await client.expire('lock', 100, 'NX'), await client.expire('lock', 50, 'GT')]);
  await say('getex', async () => [await client.getEx('lock', { type: 'EX', value: 90 }), near(await client.ttl('lock'), 90)]);
  await say('getdel', async () => [await client.getDel('lock'), await client.ttl('lock')]);

  await say('mset', () => client.mSet({ a: '1', b: '2', c: 'three' }));
  await say('mget', () => client.mGet(['a', 'none', 'c', 'b']));
  await say('msetnx', async () => [await client.mSetNX({ '{u}a': '1', '{u}b': '2' }), await client.mSetNX({ '{u}b': '3' })]);
  await say('numbers', async () => [await client.incr('a'), await client.incrBy('a', 40), await client.decr('b')]);
  await say('incrbyfloat', () => client.incrByFloat('b', 0.1));
  await say('no number', () => client.incr('c'));
  await say('append', async () => [await client.append('c', '!'), await client.getRange('c', -3, -1)]);
  await say('setbit', async () => [await client.setBit('bits', 9, 1), await client.bitCount('bits')]);
  await say('exists', () => client.exists(['a', 'b', 'b', 'none']));
  await say('del', () => client.del(['a', 'b', 'none']));
  await say('keys', async () => (await client.keys('*')).sort());
  await say('rename', async () => [await client.rename('{u}a', '{u}c'), await client.copy('{u}c', '{u}d')]);
  await say('unknown', () => client.sendCommand(['NOSUCH', 'one', 'two']));
  await say('arguments', () => client.sendCommand(['GET']));

  await say('one turn', () => Promise.all(['c', 'none', 'greeting'].map((key) => client.get(key))));
  await say('pipeline', () => client.multi().set('p', '1').incr('p').get('p').execAsPipeline());
  await say('scan', async () => {
    await client.mSet(Array.from({ length: 50 }, (_, at) => [`many:${at}`, String(at)]));
    const found = new Set();
    for await (const keys of client.scanIterator({ MATCH: 'many:*', COUNT: 7 })) keys.forEach((key) => found.add(key));
    return [...found].sort();
  });
  await say('multi', () => client.multi().set('{t}x', '5').incr('{t}x').get('{t}x').exec());
  await say('multi with an error', async () => {
    try {
      return await client.multi().set('{t}y', 'y').incr('{t}y').exec();
    } catch (error) {
      return [error.message, error.replies];
    }
  });
  await say('watch', async () => {
    await client.watch('{t}x');
    await other.set('{t}x', 'changed');
    return client.multi().set('{t}x', 'lost').exec();
  });
  await say('watch kept', async () => {
    await client.watch('{t}x');
    return client.multi().set('{t}x', 'won').get('{t}x').exec();
  });
  await say('wrong in multi', () => client.multi().set('{t}x', '1').addCommand(['NOSUCH']).exec());
  await say('left as it was', () => client.get('{t}x'));

  const pool = await createClientPool(options, { minimum: 2, maximum: 4 }).on('error', console.error).connect();
  await say('pool', async () => {
    const sums = await Promise.all(Array.from({ length: 100 }, () => pool.incr('pool')));
    return sums.sort((one, two) => one - two).slice(-2);
  });
  const large = 'x'.repeat(5 << 20);
  await say('large', async () => [await client.set('large', large), (await client.get('large')) === large]);
  await say('info', async () => /redis_version:[0-9.]+/.test(await client.info('server')));
  await say('select', () => client.select(16));
  await say('config', () => client.configGet('save'));
  await say('hello', async () => {
    const told = await client.hello();
    return [told.server, told.proto, told.mode, told.role, told.modules];
  });
  await say('flushdb', async () => [await client.flushDb(), await client.dbSize()]);
  await say('close', () => Promise.all([client, other, pool].map((one) => one.close())));
});
