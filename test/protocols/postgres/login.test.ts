import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Reason } from '../../../src/core/verdict.ts';
import { encodeSaslInitial } from '../../../src/protocols/postgres/codec-authentication.ts';
import { PostgresConversation } from '../../../src/protocols/postgres/conversation.ts';
import {
  clientChallenge,
  clientFinal,
  clientFirst,
  verifierKeys,
  verifyServerFinal,
} from '../../../src/protocols/postgres/scram.ts';
import { encodeStartup } from '../../../src/protocols/postgres/startup.ts';
import type { ConversationContext, Effect, LoginMethod, WireEvent } from '../../../src/protocols/protocol.ts';
import { context, FakeClassifier, REASON } from './fakes.ts';
import { anError, backendMessages, client, Playbook, ready, relay, reply, server, startup } from './playbook.ts';
import { GREETING, PRINCIPAL, UPSTREAM } from './session.ts';

function conversation(more: Partial<ConversationContext> = {}): PostgresConversation {
  return new PostgresConversation(context(more), new FakeClassifier());
}

function bytes(...pieces: readonly Buffer[]): WireEvent {
  return { on: 'client-bytes', bytes: Buffer.concat(pieces) };
}

const SSL = encodeStartup({ type: 'ssl-request' });
const GSS = encodeStartup({ type: 'gssenc-request' });
const BINDING = { serverEndPoint: Buffer.alloc(32, 9), alpn: 'postgresql' };
const PASSWORD: LoginMethod = { kind: 'password' };
const ANY = { user: 'alice', database: 'crm' };
const token = client({ type: 'password', data: Buffer.from('token\0') });

describe('before the startup packet', () => {
  test('SSLRequest is answered S where the gateway has a certificate, and TLS begins', () => {
    new Playbook(conversation({ clientTls: true }))
      .when(bytes(SSL))
      .asks({ do: 'reply', letter: 'S' }, { do: 'start-tls', side: 'client' })
      .when({ on: 'tls-started', side: 'client', binding: { ...BINDING, alpn: null } })
      .when(startup(ANY))
      .asks({ do: 'begin-login', user: 'alice' })
      .end();
  });

  test('SSLRequest and GSSENCRequest are answered N where there is none, each once', () => {
    new Playbook(conversation())
      .when(bytes(SSL))
      .asks({ do: 'reply', letter: 'N' })
      .when(bytes(GSS))
      .asks({ do: 'reply', letter: 'N' })
      .when(bytes(SSL))
      .asks({ do: 'record' }, reply(anError('08P01')), { do: 'close' })
      .end();
  });

  test.each([
    ['a startup packet', encodeStartup({ type: 'startup', major: 3, minor: 0, parameters: [['user', 'mallory']] })],
    ['a single byte', Buffer.from([0])],
  ])('%s behind SSLRequest in one write closes the connection', (_, behind) => {
    for (const first of [SSL, GSS]) {
      new Playbook(conversation({ clientTls: true }))
        .when(bytes(first, behind))
        .asks({ do: 'record', entry: { kind: 'refused-bytes' } }, reply(anError('08P01')), { do: 'close' })
        .end();
    }
  });

  test('bytes in clear after S and before the handshake close the connection', () => {
    new Playbook(conversation({ clientTls: true }))
      .when(bytes(SSL))
      .skip()
      .when(startup(ANY))
      .asks({ do: 'record' }, reply(anError('08P01')), { do: 'close' })
      .end();
  });

  test.each([
    ['postgresql', true],
    [null, false],
    ['http/1.1', false],
  ])('direct TLS with the ALPN protocol %s is taken: %s', (alpn, taken) => {
    const play = new Playbook(conversation({ clientTls: true })).when({
      on: 'tls-started',
      side: 'client',
      binding: { ...BINDING, alpn },
    });
    if (taken) play.when(startup(ANY)).asks({ do: 'begin-login' }).end();
    else play.asks({ do: 'record' }, reply(anError('0A000')), { do: 'close' }).end();
  });

  test('CancelRequest is passed on by its key and has no answer', () => {
    const secret = Buffer.from('01020304', 'hex');
    new Playbook(conversation())
      .when(bytes(encodeStartup({ type: 'cancel-request', processId: 42, secret })))
      .asks({ do: 'cancel-session', processId: 42, secret }, { do: 'close', code: null })
      .end();
  });
});

describe('the startup packet', () => {
  test('of a higher minor version, or with unknown options, is negotiated down', () => {
    const parameters = { ...ANY, '_pq_.compression': 'on' };
    new Playbook(conversation())
      .when(startup(parameters, 9))
      .asks(reply({ type: 'negotiate-version', minor: 2, unsupported: ['_pq_.compression'] }), { do: 'begin-login' })
      .end();
  });

  test('of 3.2 is taken as it is', () => {
    new Playbook(conversation()).when(startup(ANY, 2)).asks({ do: 'begin-login' }).end();
  });

  test.each<[string, readonly (readonly [string, string])[], string]>([
    [
      'replication',
      [
        ['user', 'a'],
        ['replication', 'database'],
      ],
      '0A000',
    ],
    [
      'a parameter nobody knows',
      [
        ['user', 'a'],
        ['role', 'admin'],
      ],
      '0A000',
    ],
    [
      'an encoding that is not UTF8',
      [
        ['user', 'a'],
        ['client_encoding', 'SJIS'],
      ],
      '0A000',
    ],
    [
      'a parameter twice',
      [
        ['user', 'a'],
        ['search_path', 'x'],
        ['search_path', 'y'],
      ],
      '0A000',
    ],
    [
      'a parameter and an option',
      [
        ['user', 'a'],
        ['search_path', 'x'],
        ['options', '-c search_path=y'],
      ],
      '0A000',
    ],
    [
      'an option nobody knows',
      [
        ['user', 'a'],
        ['options', '-c session_preload_libraries=x'],
      ],
      '0A000',
    ],
    [
      'a switch that is no setting',
      [
        ['user', 'a'],
        ['options', '-o -x'],
      ],
      '0A000',
    ],
    ['no user', [['database', 'crm']], '0A000'],
  ])('with %s is refused, and no target hears of it', (_, parameters, code) => {
    const packet = encodeStartup({ type: 'startup', major: 3, minor: 0, parameters });
    new Playbook(conversation())
      .when(bytes(packet))
      .asks({ do: 'record' }, reply(anError(code)), { do: 'close' })
      .end();
  });

  test('cut anywhere is the same packet', () => {
    const packet = encodeStartup({ type: 'startup', major: 3, minor: 0, parameters: Object.entries(ANY) });
    for (let at = 1; at < packet.length; at++) {
      new Playbook(conversation())
        .when(bytes(packet.subarray(0, at)))
        .when(bytes(packet.subarray(at)))
        .asks({ do: 'begin-login', user: 'alice' })
        .end();
    }
  });
});

describe('who the client is', () => {
  test('a token in clear is asked for only where it may cross', () => {
    new Playbook(conversation({ cleartextAllowed: false }))
      .when(startup(ANY))
      .skip()
      .when({ on: 'login-method', method: PASSWORD })
      .asks(reply(anError('28000')), { do: 'close', code: 'CLEARTEXT_REFUSED' })
      .end();
    new Playbook(conversation({ cleartextAllowed: false, clientTls: true }))
      .when({ on: 'tls-started', side: 'client', binding: BINDING })
      .when(startup(ANY))
      .skip()
      .when({ on: 'login-method', method: PASSWORD })
      .asks(reply({ type: 'authentication-cleartext' }))
      .when(token)
      .asks({ do: 'identify', proof: { kind: 'password', user: 'alice', secret: 'token' } })
      .end();
  });

  test.each([
    ['over TLS bound to it', BINDING, 'SCRAM-SHA-256-PLUS'],
    ['without TLS', null, 'SCRAM-SHA-256'],
  ])('SCRAM %s proves both sides', (_, binding, mechanism) => {
    const salt = Buffer.from('salt salt');
    const salted = pbkdf2Sync('token', salt, 4096, 32, 'sha256');
    const method: LoginMethod = {
      kind: 'scram-sha-256',
      salt,
      iterations: 4096,
      verifiers: [
        { id: 'old', storedKey: Buffer.alloc(32), serverKey: Buffer.alloc(32) },
        { id: 'tok_1', ...verifierKeys(salted) },
      ],
    };
    const talk = conversation({ clientTls: binding !== null });
    if (binding !== null) talk.handle({ on: 'tls-started', side: 'client', binding });
    talk.handle(startup(ANY));
    const [offer] = said(talk.handle({ on: 'login-method', method }));
    const mechanisms = offer?.type === 'authentication-sasl' ? offer.mechanisms : [];
    expect(mechanisms).toContain(mechanism);
    const first = clientFirst(mechanisms, 'clientnonce', binding?.serverEndPoint ?? null);
    const initial = encodeSaslInitial({ mechanism: first.mechanism, response: first.message });
    const [challenge] = said(talk.handle(client({ type: 'password', data: initial })));
    const data = challenge?.type === 'authentication-sasl-continue' ? challenge.data : Buffer.alloc(0);
    const final = clientFinal(clientChallenge(first, data), salted);
    expect(talk.handle(client({ type: 'password', data: final.message }))).toMatchObject([
      { do: 'identify', proof: { kind: 'scram', user: 'alice', verifier: 'tok_1' } },
    ]);
    talk.handle({ on: 'identified', principal: PRINCIPAL });
    const welcome = said(talk.handle({ on: 'opened', sessionId: 's' }));
    expect(welcome).toMatchObject([{ type: 'authentication-sasl-final' }, { type: 'authentication-ok' }]);
    const [proof] = welcome;
    if (proof?.type === 'authentication-sasl-final') verifyServerFinal(final, proof.data);
  });

  test('unknown name, unknown target, target not permitted and wrong secret are the same bytes', () => {
    const reasons: readonly Reason[] = [
      { ...REASON, code: 'IDENTITY_REFUSED', why: 'no such account' },
      { ...REASON, code: 'IDENTITY_EXPIRED', why: 'expired yesterday' },
      { ...REASON, code: 'TARGET_REFUSED', why: 'there is no crm' },
      { ...REASON, code: 'POLICY_DENIED', why: 'rule x says no' },
    ];
    const answers = reasons.map((reason) => {
      const talk = conversation();
      for (const event of [startup(ANY), { on: 'login-method', method: PASSWORD } as const, token]) talk.handle(event);
      const effects = talk.handle({ on: 'not-identified', reason });
      return effects.map((effect) => (effect.do === 'reply' ? Buffer.from(effect.bytes).toString('hex') : effect.do));
    });
    expect(new Set(answers.map((answer) => answer.join())).size).toBe(1);
    expect(answers[0]).toEqual([expect.any(String), 'close']);
  });

  test('anything but a password where one is due ends the login', () => {
    new Playbook(conversation())
      .when(startup(ANY))
      .skip()
      .when({ on: 'login-method', method: PASSWORD })
      .skip()
      .when(client({ type: 'query', text: Buffer.from('select 1') }))
      .asks({ do: 'record' }, reply(anError('08P01')), { do: 'close' })
      .end();
  });
});

describe('being let in', () => {
  const hold = { requestId: 'req_1', rule: 'r', message: '', approvers: 'dba', url: null, expiresAt: 0 };

  function identified(more: Partial<ConversationContext> = {}, parameters: Readonly<Record<string, string>> = ANY) {
    return new Playbook(conversation(more))
      .when(startup(parameters))
      .skip()
      .when({ on: 'login-method', method: PASSWORD })
      .skip()
      .when(token)
      .skip()
      .when({ on: 'identified', principal: PRINCIPAL });
  }

  test.each([
    ['the database names the target', null, ANY, 'crm'],
    ['a database of the target', null, { ...ANY, database: 'crm/reports' }, 'crm/reports'],
    ['no database is that of the user’s name', null, { user: 'alice' }, 'alice'],
    ['on a port of the target’s own the database passes', 'crm', { ...ANY, database: 'reports' }, 'reports'],
    ['and none is the target’s', 'crm', { user: 'alice' }, ''],
  ])('%s', (_, listenerTarget, parameters, target) => {
    identified({ listenerTarget }, parameters).asks({ do: 'open', target, user: 'alice' }).end();
  });

  test('a held open says AuthenticationOk before the notice, which libpq takes only from then on', () => {
    identified()
      .skip()
      .when({ on: 'held', keys: [], hold })
      .asks(reply({ type: 'authentication-ok' }, { type: 'notice' }))
      .when({ on: 'held', keys: [], hold })
      .asks(reply({ type: 'notice' }))
      .when({ on: 'opened', sessionId: 's' })
      .asksNothing()
      .end();
  });

  test('a justification of the startup packet is given once the session is there', () => {
    identified({}, { ...ANY, options: '-c sallyport.justification=INC-1\\ now' })
      .skip()
      .when({ on: 'opened', sessionId: 's' })
      .asks(reply({ type: 'authentication-ok' }), { do: 'justify', justification: 'INC-1 now' })
      .end();
  });

  test('the client gets the server’s process id and a secret of the gateway’s, and its own application_name', () => {
    for (const [minor, length] of [
      [0, 4],
      [2, 32],
    ] as const) {
      new Playbook(conversation())
        .when(startup({ ...ANY, application_name: 'psql' }, minor))
        .skip()
        .when({ on: 'login-method', method: PASSWORD })
        .skip()
        .when(token)
        .skip()
        .when({ on: 'identified', principal: PRINCIPAL })
        .skip()
        .when({ on: 'opened', sessionId: 's' })
        .skip()
        .when({ on: 'upstream-open', upstream: UPSTREAM })
        .asks(relay({ type: 'startup', major: 3, minor }))
        .when(server(...GREETING))
        .asks(
          reply(
            { type: 'parameter-status', name: 'client_encoding' },
            { type: 'parameter-status', name: 'server_version' },
            { type: 'parameter-status', name: 'application_name', value: 'psql' },
            { type: 'backend-key-data', processId: 4711, secret: Buffer.alloc(length, 1) },
            ready(),
          ),
          { do: 'register-cancel', processId: 4711, secret: Buffer.alloc(length, 1) },
          { do: 'relay' },
        )
        .end();
    }
  });
});

function said(effects: readonly Effect[]) {
  return effects.flatMap((effect) => (effect.do === 'reply' ? backendMessages(Buffer.from(effect.bytes)) : []));
}
