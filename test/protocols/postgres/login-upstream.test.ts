import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { decodeSaslInitial } from '../../../src/protocols/postgres/codec-authentication.ts';
import type { BackendMessage } from '../../../src/protocols/postgres/messages.ts';
import { Outbox } from '../../../src/protocols/postgres/outbox.ts';
import { serverFinal, serverFirst, serverMechanisms, verifierKeys } from '../../../src/protocols/postgres/scram.ts';
import { UpstreamLogin } from '../../../src/protocols/postgres/upstream-login.ts';
import type { Effect, TlsBinding, Upstream } from '../../../src/protocols/protocol.ts';
import { context } from './fakes.ts';
import { seen, server } from './playbook.ts';
import { GREETING, UPSTREAM } from './session.ts';

/** Our login at a target that says what each test wants it to say. */
class Target {
  readonly out = new Outbox();
  readonly login: UpstreamLogin;

  constructor(more: Partial<Upstream> = {}, minor = 0) {
    this.login = new UpstreamLogin(
      { ...UPSTREAM, ...more },
      { TimeZone: 'UTC', application_name: 'x' },
      minor,
      context(),
      this.out,
    );
    this.login.begin();
  }

  says(...messages: readonly BackendMessage[]) {
    const event = server(...messages);
    return this.login.read(event.on === 'upstream-bytes' ? event.bytes : Buffer.alloc(0));
  }

  effects(): readonly Effect[] {
    return this.out.take();
  }

  /** The password messages since the last call. */
  passwords(): readonly Buffer[] {
    return seen(this.effects()).flatMap((effect) =>
      effect.do === 'relay'
        ? effect.says.flatMap((message) => (message.type === 'password' ? [message.data] : []))
        : [],
    );
  }
}

const BINDING: TlsBinding = { serverEndPoint: Buffer.alloc(32, 7), alpn: null };

describe('the gateway at its target', () => {
  test('sends its own user, its own pins over the client’s settings, and UTF8', () => {
    const target = new Target();
    expect(seen(target.effects())).toEqual([
      {
        do: 'relay',
        says: [
          {
            type: 'startup',
            major: 3,
            minor: 0,
            parameters: [
              ['user', 'gateway'],
              ['database', 'crm'],
              ['TimeZone', 'UTC'],
              ['application_name', 'sallyport ses_1 alice'],
              ['client_encoding', 'UTF8'],
            ],
          },
        ],
      },
    ]);
    expect(target.says(...GREETING)).toMatchObject({ processId: 4711, secret: Buffer.from('0a0b0c0d', 'hex') });
  });

  test.each([
    ['without TLS', null],
    ['bound to the TLS channel', BINDING],
  ])('proves the password by SCRAM %s, and wants the target’s proof', (_, binding) => {
    const target = new Target(binding === null ? {} : { tls: 'require' });
    if (binding !== null) {
      target.login.read(Buffer.from('S'));
      expect(target.effects().at(-1)).toEqual({ do: 'start-tls', side: 'upstream' });
      target.login.tlsStarted(binding);
    }
    target.effects();
    const mechanisms = serverMechanisms(binding?.serverEndPoint ?? null);
    target.says({ type: 'authentication-sasl', mechanisms });
    const initial = decodeSaslInitial(target.passwords()[0] ?? Buffer.alloc(0));
    expect(initial.mechanism).toBe(mechanisms[0]);
    const salt = Buffer.from('0123456789abcdef');
    const terms = { mechanism: initial.mechanism, endPoint: binding?.serverEndPoint ?? null, nonce: 'server', salt };
    const first = serverFirst(initial.response ?? Buffer.alloc(0), { ...terms, iterations: 4096 });
    target.says({ type: 'authentication-sasl-continue', data: first.message });
    expect(target.effects()).toEqual([{ do: 'derive', secret: 'secret', salt, iterations: 4096 }]);
    const salted = pbkdf2Sync('secret', salt, 4096, 32, 'sha256');
    target.login.derived(salted);
    const final = serverFinal(first, target.passwords()[0] ?? Buffer.alloc(0), [{ id: 'v', ...verifierKeys(salted) }]);
    expect(final.verifier).toBe('v');
    target.says({ type: 'authentication-sasl-final', data: final.message });
    expect(target.says(...GREETING)).not.toBeNull();
  });

  test.each<[string, Partial<Upstream>, BackendMessage, string]>([
    ['md5 where only SCRAM is allowed', {}, { type: 'authentication-md5', salt: Buffer.alloc(4) }, 'TARGET_MISBEHAVED'],
    [
      'the password in clear where only SCRAM is allowed',
      {},
      { type: 'authentication-cleartext' },
      'TARGET_MISBEHAVED',
    ],
    [
      'the password in clear without verified TLS',
      { auth: 'cleartext' },
      { type: 'authentication-cleartext' },
      'TARGET_MISBEHAVED',
    ],
    ['Kerberos', {}, { type: 'authentication-other', code: 7, data: Buffer.alloc(0) }, 'TARGET_MISBEHAVED'],
    [
      'a mechanism that is not spoken',
      {},
      { type: 'authentication-sasl', mechanisms: ['OAUTHBEARER'] },
      'TARGET_LOGIN',
    ],
    [
      'a SCRAM proof before it was begun',
      {},
      { type: 'authentication-sasl-final', data: Buffer.from('v=AAAA') },
      'TARGET_MISBEHAVED',
    ],
    ['a query’s answer', {}, { type: 'command-complete', tag: 'SELECT 1' }, 'TARGET_MISBEHAVED'],
    [
      'a newer protocol than was offered',
      {},
      { type: 'negotiate-version', minor: 2, unsupported: [] },
      'TARGET_MISBEHAVED',
    ],
  ])('a target that sends %s is refused', (_, more, message, code) => {
    const target = new Target(more);
    target.effects();
    expect(() => target.says(message)).toThrow(expect.objectContaining({ code }));
    expect(target.effects()).toEqual([]);
  });

  test('a target that says it is satisfied before it proved itself is refused', () => {
    const target = new Target();
    target.says({ type: 'authentication-sasl', mechanisms: ['SCRAM-SHA-256'] });
    expect(() => target.says({ type: 'authentication-ok' })).toThrow(
      expect.objectContaining({ code: 'TARGET_MISBEHAVED' }),
    );
  });

  test('md5 and clear text pass where the configuration names them', () => {
    const md5 = new Target({ auth: 'md5' });
    md5.effects();
    md5.says({ type: 'authentication-md5', salt: Buffer.from('01020304', 'hex') });
    // md5(md5('secret' + 'gateway') + 01020304), computed with md5sum.
    expect(md5.passwords()[0]?.toString()).toMatch(/^md5[0-9a-f]{32}\0$/);
    const clear = new Target({ auth: 'cleartext', tls: 'verify-full' });
    clear.login.read(Buffer.from('S'));
    clear.login.tlsStarted(BINDING);
    clear.effects();
    clear.says({ type: 'authentication-cleartext' });
    expect(clear.passwords()[0]?.toString()).toBe('secret\0');
  });

  test.each([
    ['N', 'TARGET_TLS'],
    ['E', 'TARGET_MISBEHAVED'],
    ['SE', 'TARGET_MISBEHAVED'],
  ])('the answer %s to SSLRequest ends it: nothing goes in clear where TLS is wanted', (answer, code) => {
    const target = new Target({ tls: 'require' });
    expect(seen(target.effects())).toEqual([{ do: 'relay', says: [{ type: 'ssl-request' }] }]);
    expect(() => target.login.read(Buffer.from(answer))).toThrow(expect.objectContaining({ code }));
    expect(target.effects()).toEqual([]);
  });

  test('a refusal of the target tells the client its SQLSTATE and neither user nor text', () => {
    const target = new Target();
    const fields = { S: 'FATAL', V: 'FATAL', C: '28P01', M: 'password authentication failed for user "gateway"' };
    try {
      target.says({ type: 'error', fields });
      expect.unreachable();
    } catch (fault) {
      expect(fault).toMatchObject({ code: 'TARGET_LOGIN' });
      expect(String(fault)).not.toContain('gateway"');
      expect(String(fault)).toContain('28P01');
    }
  });

  test('a session that does not begin idle and in UTF8 is refused', () => {
    const [ok, , version, key] = GREETING;
    if (ok === undefined || version === undefined || key === undefined) throw new Error('the greeting is short');
    const wrong = { type: 'parameter-status', name: 'client_encoding', value: 'LATIN1' } as const;
    expect(() => new Target().says(ok, wrong, key, { type: 'ready-for-query', status: 'I' })).toThrow('UTF8');
    expect(() => new Target().says(ok, { type: 'ready-for-query', status: 'T' })).toThrow('transaction');
  });
});
