import { describe, expect, test } from 'vitest';
import { PostgresConversation } from '../../../src/protocols/postgres/conversation.ts';
import type { Conversation, Effect, WireEvent } from '../../../src/protocols/protocol.ts';
import { ASK, context, FakeClassifier, forward } from './fakes.ts';
import { client, failed, Playbook, parse, query, ready, server, startup, sync, verdict } from './playbook.ts';
import { openSession } from './session.ts';

/** Tags that PostgreSQL knows from a client; in which states they may reach the target is the protocol's business. */
const KNOWN = new Set('QPBDECHSXFdcfp'.split('').map((letter) => letter.charCodeAt(0)));

const STATES: Readonly<Record<string, () => Conversation>> = {
  'before the startup packet': () => new PostgresConversation(context(), new FakeClassifier()),
  'during the login': () => {
    const play = new Playbook(new PostgresConversation(context(), new FakeClassifier()));
    play.when(startup({ user: 'alice', database: 'crm' })).skip();
    return play.when({ on: 'login-method', method: { kind: 'password' } }).skip().conversation;
  },
  'between statements': () => openSession().conversation,
  'after an error, before Sync': () => {
    const play = openSession()
      .when(client(parse('select 1')))
      .skip()
      .when(verdict(1, forward(1)))
      .skip();
    return play.when(server(failed('42601'))).skip().conversation;
  },
  'during a COPY FROM STDIN': () => {
    const play = openSession()
      .when(client(query('copy t from stdin')))
      .skip()
      .when(verdict(1, forward(1)))
      .skip();
    return play.when(server({ type: 'copy-in', format: 0, columnFormats: [0] })).skip().conversation;
  },
  'while people are asked': () => {
    const play = openSession()
      .when(client(query('delete from t')))
      .skip();
    return play.when(verdict(1, ASK)).skip().conversation;
  },
};

function frame(tag: number, body: Buffer): WireEvent {
  const bytes = Buffer.alloc(5 + body.length);
  bytes[0] = tag;
  bytes.writeInt32BE(4 + body.length, 1);
  body.copy(bytes, 5);
  return { on: 'client-bytes', bytes };
}

function toTarget(effects: readonly Effect[]): readonly Effect[] {
  return effects.filter((effect) => effect.do === 'relay' || effect.do === 'forward');
}

describe.each(Object.keys(STATES))('%s', (name) => {
  const state = STATES[name];
  if (state === undefined) throw new Error(`no state ${name}`);

  test('no message of an unknown tag reaches the target', () => {
    for (let tag = 0; tag < 256; tag++) {
      if (KNOWN.has(tag)) continue;
      const conversation = state();
      const effects = conversation.handle(frame(tag, Buffer.from('x\0')));
      expect(toTarget(effects), `tag ${tag}`).toEqual([]);
      if (name === 'before the startup packet') continue;
      expect(effects.at(-1), `tag ${tag}`).toMatchObject({ do: 'close', code: 'WIRE_MALFORMED' });
      expect(conversation.handle(client(query('select 1'))), `after tag ${tag}`).toEqual([]);
    }
  });

  test('no message with a length that cannot be reaches the target', () => {
    for (const tag of [...KNOWN]) {
      for (const length of [-1, 0, 3, 0x7fff_ffff, -0x8000_0000]) {
        const bytes = Buffer.alloc(32);
        bytes[0] = tag;
        bytes.writeInt32BE(length, 1);
        const effects = state().handle({ on: 'client-bytes', bytes });
        expect(toTarget(effects), `tag ${tag}, length ${length}`).toEqual([]);
      }
    }
  });

  test('a body of garbage closes or is refused, and never reaches the target', () => {
    // A Sync, Flush, or data of a COPY has a meaning whatever is in it, or none at all.
    for (const tag of [...KNOWN].filter((each) => !'SHXdcf'.includes(String.fromCharCode(each)))) {
      const effects = state().handle(frame(tag, Buffer.from([0xff, 0xfe, 0x01])));
      const forwarded = toTarget(effects).map((effect) =>
        'bytes' in effect ? Buffer.from(effect.bytes) : Buffer.alloc(0),
      );
      for (const bytes of forwarded) expect(bytes.includes(Buffer.from([0xff, 0xfe, 0x01])), `tag ${tag}`).toBe(false);
    }
  });
});

test('copy messages outside a COPY are dropped in silence, as the server does', () => {
  openSession()
    .when(
      client({ type: 'copy-data', data: Buffer.from('x') }, { type: 'copy-done' }, { type: 'copy-fail', message: '' }),
    )
    .asksNothing()
    .when(client(sync))
    .asks({ do: 'relay', says: [sync] })
    .when(server(ready()))
    .asks({ do: 'reply' })
    .end();
});

test.each([
  ['between statements', 'X'],
  ['during a COPY FROM STDIN', 'X'],
  ['during a COPY FROM STDIN', 'c'],
])('a body that %s a %s must not have does not reach the target', (name, letter) => {
  const conversation = STATES[name]?.();
  const effects = toTarget(conversation?.handle(frame(letter.charCodeAt(0), Buffer.from('hidden'))) ?? []);
  const bytes = effects.flatMap((effect) => ('bytes' in effect ? [...effect.bytes] : []));
  expect(Buffer.from(bytes).toString('latin1')).toBe(`${letter}\0\0\0\x04`);
});
