// The scenario of ioredis. usage: node ioredis.cjs PORT, with NODE_PATH
'use strict';
const Redis = require('ioredis');
const { say, near, run } = require('./said.cjs');

run(async (port) => {
  const redis = new Redis({ host: '127.0.0.1', port, connectionName: 'shop', keyPrefix: 'io:' });
  const other = redis.duplicate();
  await say('flushall', () => redis.flushall());
  await say('ping', () => redis.ping());
  await say('getname', () => redis.client('GETNAME'));

  await say('set', () => redis.set('greeting', 'hällo'));
  await say('get', () => redis.get('greeting'));
  await say('getBuffer', () => redis.getBuffer('greeting'));
  await say('none', () => redis.get('none'));
  await say('bytes', () => redis.set('bytes', Buffer.from([0, 255, 13, 10])));
  await say('bytes read', () => redis.getBuffer('bytes'));
  await say('empty', async () => [await redis.set('empty', ''), await redis.get('empty'), await redis.strlen('empty')]);
  await say('px nx', () => redis.set('lock', 'me', 'PX', 100000, 'NX'));
  await say('nx again', () => redis.set('lock', 'you', 'PX', 100000, 'NX'));
  await say('pttl', async () => near(await redis.pttl('lock'), 100000));
  await say('set get', () => redis.set('lock', 'you', 'KEEPTTL', 'GET'));
  await say('keepttl', async () => near(await redis.ttl('lock'), 100));
  await say('persist', async () => [await redis.persist('lock'), await redis.ttl('lock')]);
  await say('expire', async () => [await redis.expire('lock', 100, 'NX'), await redis.expire('lock', 50, 'GT')]);
  await say('getdel', async () => [await redis.getdel('lock'), await redis.ttl('lock')]);

  await say('mset', () => redis.mset({ a: 1, b: 2, c: 'three' }));
  await say('mget', () => redis.mget('a', 'none', 'c', 'b'));
  await say('numbers', async () => [await redis.incr('a'), await redis.incrby('a', 40), await redis.decr('b')]);
  await say('incrbyfloat', () => redis.incrbyfloat('b', 0.1));
  await say('no number', () => redis.incr('c'));
  await say('append', async () => [await redis.append('c', '!'), await redis.getrange('c', -3, -1)]);
  await say('setbit', async () => [await redis.setbit('bits', 9, 1), await redis.bitcount('bits')]);
  await say('exists', () => redis.exists('a', 'b', 'b', 'none'));
  await say('del', () => redis.del('a', 'b', 'none'));
  await say('keys', async () => (await redis.keys('io:*')).sort());
  await say('type', async () => [await redis.type('c'), await redis.type('none')]);
  await say('unknown', () => redis.call('NOSUCH', 'one', 'two'));
  await say('arguments', () => redis.call('GET'));

  await say('pipeline', () => redis.pipeline().set('p', 1).incr('p').get('p').call('NOSUCH').incr('greeting').exec());
  const many = redis.pipeline();
  for (let at = 0; at < 2000; at += 1) many.incr(`many:${at % 50}`);
  await say('many', async () => (await many.exec()).slice(-3));
  await say('scan', async () => {
    const found = new Set();
    for await (const keys of redis.scanStream({ match: 'io:many:*', count: 7 })) keys.forEach((key) => found.add(key));
    return [...found].sort();
  });
  await say('multi', () => redis.multi().set('{t}x', 5).incr('{t}x').incr('greeting').get('{t}x').exec());
  await say('multi by hand', async () => {
    await redis.multi({ pipeline: false });
    const queued = [await redis.set('{t}x', 7), await redis.get('{t}x')];
    return [queued, await redis.exec()];
  });
  await say('discard', async () => {
    await redis.multi({ pipeline: false });
    await redis.set('{t}x', 9);
    return [await redis.discard(), await redis.get('{t}x')];
  });
  await say('watch', async () => {
    await redis.watch('{t}x');
    await other.set('{t}x', 'changed');
    return redis.multi().set('{t}x', 'lost').exec();
  });
  await say('watch kept', async () => {
    await redis.watch('{t}x');
    return redis.multi().set('{t}x', 'won').get('{t}x').exec();
  });
  await say('wrong in multi', () => redis.multi().set('{t}x', 1).call('NOSUCH').exec());
  await say('left as it was', () => redis.get('{t}x'));

  const auto = redis.duplicate({ enableAutoPipelining: true });
  await say('automatic pipelines', () => Promise.all(['c', 'none', '{t}x', 'p'].map((key) => auto.get(key))));
  const large = 'x'.repeat(5 << 20);
  await say('large', async () => [await redis.set('large', large), (await redis.get('large')) === large]);
  await say('info', async () => /redis_version:[0-9.]+/.test(await redis.info('server')));
  await say('select 0', () => redis.select(0));
  await say('select', () => redis.call('SELECT', 16));
  await say('config', () => redis.config('GET', 'appendonlyx'));
  await say('flushdb', async () => [await redis.flushdb(), await redis.dbsize()]);
  await say('quit', () => Promise.all([redis, other, auto].map((client) => client.quit())));
});
