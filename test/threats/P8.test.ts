import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeSaslInitial } from '../../src/protocols/postgres/codec-authentication.ts';
import { encodeBackend } from '../../src/protocols/postgres/codec-backend.ts';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { RawClient, ServerRefused, startup } from '../servers/raw-client.ts';
import { pause, refusedBytes, rowsIn, tagged } from './attack.ts';
import { type MaliciousTarget, startMaliciousTarget, type Tamper } from './malicious-target.ts';
import { seeded } from './seeded.ts';

/** Malformed words from either side: a client that attacks the gateway, and a target that has been taken over. */
let world: World;
let evil: MaliciousTarget;
beforeAll(async () => {
  // The targets need each other's ports: the malicious one stands before the same server.
  let realPort = 0;
  evil = await startMaliciousTarget(() => realPort);
  world = await startWorld({
    targets: [
      {
        name: 'evil',
        protocol: 'postgres',
        address: `127.0.0.1:${evil.port}`,
        tls: 'off',
        database: 'crm',
        credential: { user: 'gateway_rw', password: 'rw-demo' },
        catalog_credential: { user: 'gateway_catalog', password: 'catalog-demo' },
        labels: { env: 'test' },
      },
    ],
    policies:
      '@id("evil") permit (principal in Group::"dev", action in [Action::"open", Action::"sql.read", Action::"sql.write"], resource in Target::"evil");',
    config: { limits: { dial_ms: 3_000, handshake_ms: 4_000 } },
  });
  realPort = world.server.port;
});
afterAll(async () => {
  expect(await world.gateway.verify()).toMatchObject({ whole: true });
  await world.stop();
  await evil.stop();
});

/** The gateway is there, and another target is served as if nothing had been. */
async function othersAreServed(): Promise<void> {
  expect(world.gateway.process.exitCode).toBeNull();
  const client = await world.gateway.login('ann', 'crm');
  expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
  client.end();
}

const resident_bytes = () =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${world.gateway.process.pid}/status`, 'utf8'))?.[1]) * 1024;

describe('a client', () => {
  const sasl = (response: string | Buffer | null, mechanism = 'SCRAM-SHA-256') =>
    encodeSaslInitial({ mechanism, response: response === null ? null : Buffer.from(response) });
  const nonce = (length: number) => 'r'.repeat(length);

  test.each<[string, Buffer]>([
    ['no first message', sasl(null)],
    ['an empty first message', sasl('')],
    ['no nonce', sasl('n,,n=,r=')],
    ['a nonce of 60,000 characters', sasl(`n,,n=,r=${nonce(60_000)}`)],
    ['a nonce of 257 characters', sasl(`n,,n=,r=${nonce(257)}`)],
    ['a nonce with a comma', sasl('n,,n=,r=a,b')],
    ['a nonce with bytes that do not print', sasl('n,,n=,r=a\x00b\xff')],
    ['another gs2 header', sasl('x,,n=,r=abc')],
    ['channel binding without TLS', sasl('p=tls-server-end-point,,n=,r=abc')],
    ['a binding mechanism that was not offered', sasl('p=tls-server-end-point,,n=,r=abc', 'SCRAM-SHA-256-PLUS')],
    ['an unknown mechanism', sasl('n,,n=,r=abc', 'SCRAM-SHA-1')],
    ['an authorization identity', sasl('n,a=postgres,n=,r=abc')],
    ['a mandatory extension', sasl('n,,m=evil,n=,r=abc')],
    ['a name with a bare equals sign', sasl('n,,n=a=b,r=abc')],
    ['no terminator behind the mechanism', Buffer.from('SCRAM-SHA-256')],
    ['a response length that lies', Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), Buffer.from('7fffffff', 'hex')])],
    ['nothing', Buffer.alloc(0)],
  ])('P8 a client whose SCRAM begins with %s is refused, and nothing is opened', async (_, data) => {
    world.tap.reset();
    const client = await RawClient.connect(world.gateway.port);
    client.write(encodeStartup(startup({ port: 0, user: 'ann', password: '', database: 'crm' })));
    expect(await client.next()).toMatchObject({ type: 'authentication-sasl' });
    client.send({ type: 'password', data });
    expect(await client.next()).toMatchObject({ type: 'error', fields: { S: 'FATAL' } });
    await client.closed();
    expect(world.tap.connections()).toBe(0);
  });

  test.each<[string, (nonce: string) => string]>([
    ['nothing', () => ''],
    ['another nonce', () => `c=biws,r=other,p=${'A'.repeat(43)}=`],
    ['its own nonce only', (both) => `c=biws,r=${both.slice(0, 3)},p=${'A'.repeat(43)}=`],
    ['another header', (both) => `c=eSws,r=${both},p=${'A'.repeat(43)}=`],
    ['a short proof', (both) => `c=biws,r=${both},p=AAAA`],
    ['a long proof', (both) => `c=biws,r=${both},p=${'A'.repeat(64)}`],
    ['broken base64', (both) => `c=biws,r=${both},p=!!!!`],
    ['base64 written in another way', (both) => `c=biws,r=${both},p=${'A'.repeat(42)}B=`],
    ['no proof', (both) => `c=biws,r=${both}`],
    ['two proofs', (both) => `c=biws,r=${both},p=${'A'.repeat(43)}=,p=${'A'.repeat(43)}=`],
    ['60,000 bytes', (both) => `c=biws,r=${both},x=${'x'.repeat(59_000)},p=${'A'.repeat(43)}=`],
  ])('P8 a client whose SCRAM ends with %s is refused, and nothing is opened', async (_, final) => {
    world.tap.reset();
    const client = await RawClient.connect(world.gateway.port);
    client.write(encodeStartup(startup({ port: 0, user: 'ann', password: '', database: 'crm' })));
    await client.next();
    client.send({ type: 'password', data: sasl('n,,n=,r=abc') });
    const challenge = await client.next();
    if (challenge.type !== 'authentication-sasl-continue') throw new Error('no challenge came');
    const both = /r=([^,]+)/.exec(challenge.data.toString('latin1'))?.[1] ?? '';
    client.send({ type: 'password', data: Buffer.from(final(both)) });
    expect(await client.next()).toMatchObject({ type: 'error', fields: { S: 'FATAL' } });
    await client.closed();
    expect(world.tap.connections()).toBe(0);
  });

  test('P8 a thousand random SCRAM messages crash nothing and open nothing', async () => {
    const below = seeded(0x5c2a);
    world.tap.reset();
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const client = await RawClient.connect(world.gateway.port);
          client.write(encodeStartup(startup({ port: 0, user: 'ann', password: '', database: 'crm' })));
          const garbage = Buffer.from(Array.from({ length: below(200) }, () => below(256)));
          const beginning =
            below(2) === 0 ? garbage : Buffer.concat([sasl('n,,n=,r=abc').subarray(0, below(30)), garbage]);
          client.write(tagged('p', beginning));
          await client.closed();
        }),
      );
    }
    expect(world.tap.connections()).toBe(0);
    await refusedBytes(world.gateway, 'WIRE_MALFORMED');
    await othersAreServed();
  });

  test('P8 psql with a wrong password is refused as anybody', async () => {
    const ran = await world.gateway.psql('ann', 'crm', 'select 1', { env: { PGPASSWORD: 'wrong' } });
    expect(ran).toMatchObject({ status: 2, stdout: '' });
    expect(ran.stderr).toContain('access denied');
  });
});

describe('a target', () => {
  /** Replaces the n-th message of this tag. */
  const instead = (tag: string, said: (body: Buffer) => Buffer | null, nth = 0): Tamper => {
    let seen = -1;
    return ({ tag: is, body, bytes }) => {
      if (is !== tag) return bytes;
      seen += 1;
      return seen === nth ? said(body) : bytes;
    };
  };
  const authentication = (code: number, body: Buffer | string = '') => {
    const head = Buffer.alloc(4);
    head.writeInt32BE(code);
    return tagged('R', Buffer.concat([head, Buffer.from(body)]));
  };
  const scramTerms = (change: (text: string) => string) =>
    instead('R', (body) => authentication(11, change(body.subarray(4).toString('latin1'))), 1);
  const errorOf = (fields: string) => tagged('E', Buffer.from(fields, 'latin1'));

  const LOGINS: readonly (readonly [string, Tamper])[] = [
    ['asks for the password in clear', instead('R', () => authentication(3))],
    ['asks for an md5 password', instead('R', () => authentication(5, 'salt'))],
    ['asks for GSSAPI', instead('R', () => authentication(7))],
    ['asks for something nobody knows', instead('R', () => authentication(99, 'xxxx'))],
    ['offers no mechanism', instead('R', () => authentication(10, '\0'))],
    ['offers SCRAM-SHA-1 only', instead('R', () => authentication(10, 'SCRAM-SHA-1\0\0'))],
    ['asks in clear in the middle of SCRAM', instead('R', () => authentication(3), 1)],
    ['ends SCRAM without its proof', instead('R', () => authentication(0), 1)],
    ['does not continue our nonce', scramTerms((text) => text.replace(/r=[^,]+/, 'r=another'))],
    ['adds nothing to our nonce', scramTerms((text) => text.replace(/r=([^,]{24})[^,]*/, 'r=$1'))],
    [
      'adds 20,000 characters to our nonce',
      scramTerms((text) => text.replace(/r=([^,]+)/, `r=$1${'n'.repeat(20_000)}`)),
    ],
    ['wants no iterations', scramTerms((text) => text.replace(/i=\d+/, 'i=0'))],
    ['wants 2^31 iterations', scramTerms((text) => text.replace(/i=\d+/, 'i=2147483647'))],
    ['wants a negative number of iterations', scramTerms((text) => text.replace(/i=\d+/, 'i=-1'))],
    ['has a broken salt', scramTerms((text) => text.replace(/s=[^,]+/, 's=!!!'))],
    ['has no salt', scramTerms((text) => text.replace(/s=[^,]+,/, ''))],
    ['demands an extension', scramTerms((text) => `m=evil,${text}`)],
    ['has a first message with a zero in it', scramTerms((text) => `${text}\0`)],
    ['proves the wrong thing', instead('R', () => authentication(12, `v=${'A'.repeat(43)}=`), 2)],
    ['proves nothing', instead('R', () => authentication(12, ''), 2)],
    ['refuses with an error without SQLSTATE', instead('R', () => errorOf('SFATAL\0Mgo away rw-demo\0\0'))],
    ['refuses with an empty error', instead('R', () => errorOf('\0'))],
    ['refuses with an error that does not end', instead('R', () => errorOf('SFATAL\0Mgo away'))],
    ['refuses with invalid UTF-8', instead('R', () => errorOf('SFATAL\0C28000\0M\xff\xfe\xc0\0\0'))],
    ['refuses with escape sequences', instead('R', () => errorOf('SFATAL\0C\x1b]0;x\x07\0M\x1b[2J\0\0'))],
    ['sends a message of 2^31-1 bytes', instead('R', () => tagged('R', Buffer.alloc(8), 0x7fffffff))],
    ['sends a message of negative length', instead('R', () => tagged('R', Buffer.alloc(8), -5))],
    ['sends a tag nobody knows', instead('R', () => tagged('!', Buffer.alloc(8)))],
    ['sends an empty authentication message', instead('R', () => tagged('R'))],
    [
      'sends a million parameters',
      instead('S', () =>
        Buffer.concat(
          Array.from({ length: 5_000 }, (_, at) =>
            encodeBackend({ type: 'parameter-status', name: `p${at}`, value: 'x'.repeat(200) }),
          ),
        ),
      ),
    ],
    [
      'says it does not speak UTF-8',
      instead('S', () => encodeBackend({ type: 'parameter-status', name: 'client_encoding', value: 'SJIS' }), 1),
    ],
    ['begins inside a transaction', instead('Z', () => encodeBackend({ type: 'ready-for-query', status: 'T' }))],
    ['has a status nobody knows', instead('Z', () => tagged('Z', Buffer.from('X')))],
    ['has a cancel key of 300 bytes', instead('K', () => tagged('K', Buffer.alloc(304)))],
    [
      'sends rows before it is ready',
      instead('K', () => encodeBackend({ type: 'data-row', values: [Buffer.from('zz-row-zz')] })),
    ],
    ['hangs up', instead('R', () => null)],
    ['hangs up in the middle of a message', instead('R', () => Buffer.from('R\0\0'))],
  ];

  test.each(LOGINS)('P8 a target that %s at the login is not trusted, and the gateway stands', async (name, tamper) => {
    evil.play(tamper);
    const password = await world.gateway.token('ann');
    const client = await RawClient.connect(world.gateway.port);
    client.write(encodeStartup(startup({ port: 0, user: 'ann', password, database: 'evil' })));
    const outcome = await client.authenticate(password).then(
      () =>
        client.until('ready-for-query', 15_000).then(
          () => 'let in',
          (fault: unknown) => fault,
        ),
      (fault: unknown) => fault,
    );
    expect(outcome, name).toBeInstanceOf(ServerRefused);
    expect(outcome).toMatchObject({ fields: { S: 'FATAL' } });
    await client.closed();
    const told = Buffer.concat(client.received);
    // Neither our credential nor a word of the target's.
    for (const secret of ['rw-demo', 'gateway_rw', 'go away', '\x1b', 'zz-row-zz'])
      expect(told.includes(secret)).toBe(false);
    expect(evil.sent().includes('rw-demo')).toBe(false);
    expect(evil.sent().includes('md5')).toBe(false);
    await othersAreServed();
  });

  const rowOf = (announced: number, body: Buffer) => tagged('D', body, announced);
  const SESSIONS: readonly (readonly [string, Tamper])[] = [
    ['an error without SQLSTATE', instead('D', () => errorOf('SERROR\0Mno state\0\0'))],
    ['an error without any field', instead('D', () => errorOf('\0'))],
    ['an error that does not end', instead('D', () => errorOf('SERROR\0C'))],
    ['a row announced with 2^31-1 bytes', instead('D', () => rowOf(0x7fffffff, Buffer.from('0001000000', 'hex')))],
    ['a row of a negative length', instead('D', () => rowOf(-1, Buffer.from('0001', 'hex')))],
    [
      'a row of more columns than were described',
      instead('D', () =>
        encodeBackend({ type: 'data-row', values: Array.from({ length: 9 }, () => Buffer.from('x')) }),
      ),
    ],
    [
      'a row of a column that is longer than the row',
      instead('D', () => tagged('D', Buffer.from('00017fffffff41', 'hex'))),
    ],
    ['65,535 columns', instead('T', () => tagged('T', Buffer.from('ffff', 'hex')))],
    ['a description that does not end', instead('T', () => tagged('T', Buffer.from('00016162', 'hex')))],
    ['no description at all', instead('T', () => Buffer.alloc(0))],
    [
      'rows nobody asked for',
      instead(
        'Z',
        (body) => Buffer.concat([tagged('Z', body), encodeBackend({ type: 'data-row', values: [Buffer.from('x')] })]),
        2,
      ),
    ],
    ['a CopyOutResponse', instead('T', () => encodeBackend({ type: 'copy-out', format: 0, columnFormats: [0] }))],
    ['a CopyInResponse', instead('T', () => encodeBackend({ type: 'copy-in', format: 0, columnFormats: [0] }))],
    ['a CopyBothResponse', instead('T', () => encodeBackend({ type: 'copy-both', format: 0, columnFormats: [0] }))],
    ['an authentication request', instead('T', () => authentication(3))],
    [
      'a NegotiateProtocolVersion',
      instead('T', () => encodeBackend({ type: 'negotiate-version', minor: 0, unsupported: [] })),
    ],
    ['two ends', instead('C', (body) => Buffer.concat([tagged('C', body), tagged('C', body)]))],
    ['a tag nobody knows', instead('C', () => tagged('~', Buffer.from('x')))],
    ['an end in the middle of a row', instead('D', () => null)],
  ];

  // What the state query of the gateway itself gets is tampered with too: nth counts from the login on.
  test.each(SESSIONS)('P8 a target that answers with %s breaks its own session at most', async (_, tamper) => {
    const before = resident_bytes();
    evil.play(tamper);
    const client = await world.gateway.login('ann', 'evil').catch((fault: unknown) => fault);
    if (client instanceof RawClient) {
      client.send({ type: 'query', text: Buffer.from('select 1') }, { type: 'query', text: Buffer.from('select 2') });
      await client.until('ready-for-query', 3_000).catch(() => []);
      await client.until('ready-for-query', 1_000).catch(() => []);
      client.end();
    } else {
      expect(client).toBeInstanceOf(ServerRefused);
    }
    await pause(50);
    expect(resident_bytes() - before).toBeLessThan(100 * 1024 * 1024);
    await othersAreServed();
  });

  test('P8 two hundred answers with a bit turned somewhere crash nothing', async () => {
    const below = seeded(0xb17);
    for (let round = 0; round < 10; round += 1) {
      evil.play(({ bytes }) => {
        if (below(4) !== 0) return bytes;
        const turned = Buffer.from(bytes);
        const at = below(turned.length);
        turned[at] = (turned[at] ?? 0) ^ (1 << below(8));
        return turned;
      });
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const client = await world.gateway.login('ann', 'evil').catch(() => null);
          if (client === null) return;
          client.send({ type: 'query', text: Buffer.from('select id, name from customers') });
          await client.until('ready-for-query', 500).catch(() => []);
          client.end();
        }),
      );
    }
    evil.play(({ bytes }) => bytes);
    await othersAreServed();
  }, 120_000);

  test('P8 psql is told plainly that its target misbehaves, and not what it said', async () => {
    evil.play(instead('R', () => authentication(3)));
    const ran = await world.gateway.psql('ann', 'evil', 'select 1');
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain('asked for a clear-text password, which its configuration does not allow');
    evil.play(({ bytes }) => bytes);
    expect(await world.gateway.psql('ann', 'evil', 'select 1')).toMatchObject({ status: 0, stdout: '1\n' });
  });
});
