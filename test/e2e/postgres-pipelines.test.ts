import { randomBytes } from 'node:crypto';
import net from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../src/core/limits.ts';
import { encodeFrontend } from '../../src/protocols/postgres/codec-frontend.ts';
import { PostgresConversation } from '../../src/protocols/postgres/conversation.ts';
import type { BackendMessage, FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import type { WireEvent } from '../../src/protocols/protocol.ts';
import { catalogue, FakeClassifier, forward, REFUSE } from '../protocols/postgres/fakes.ts';
import {
  backendMessages,
  bind,
  closeStatement,
  describeStatement,
  execute,
  flush,
  parse,
  query,
  startup,
  sync,
  terminate,
} from '../protocols/postgres/playbook.ts';
import { PRINCIPAL, UPSTREAM } from '../protocols/postgres/session.ts';
import { type PostgresServer, SUPERUSER, startPostgres } from '../servers/postgres.ts';

/**
 * The same pipeline to a real server directly, where one statement fails by itself, and through the gateway, where the same
 * statement is refused: the client must not be able to tell them apart but by the error's text (THREATS P11).
 */
let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ version: 15 });
});
afterAll(async () => {
  await server.stop();
});

/** There is no such table, so that a server fails at it where the gateway refuses it: when it is parsed. */
const FORBIDDEN = 'select * from forbidden';
const TEXTS = [
  'select 1',
  'select generate_series(1, 3)',
  'select 1/0',
  'selec',
  FORBIDDEN,
  'begin',
  'commit',
  'rollback',
  "set application_name = 'x'",
];
const text = fc.constantFrom(...TEXTS);
const name = fc.constantFrom('', 'a');
const message: fc.Arbitrary<FrontendMessage> = fc.oneof(
  { weight: 2, arbitrary: text.map(query) },
  { weight: 4, arbitrary: fc.tuple(text, name).map(([each, called]) => parse(each, called)) },
  { weight: 4, arbitrary: fc.tuple(name, name).map(([portal, statement]) => bind({ portal, statement })) },
  { weight: 4, arbitrary: fc.tuple(name, fc.constantFrom(0, 2)).map(([portal, max]) => execute(portal, max)) },
  { weight: 1, arbitrary: name.map(describeStatement) },
  { weight: 1, arbitrary: name.map(closeStatement) },
  { weight: 1, arbitrary: fc.constant(flush) },
  { weight: 3, arbitrary: fc.constant(sync) },
);

/** Everything a socket says until it is closed. */
function connect(said: (bytes: Buffer) => void): { socket: net.Socket; closed: Promise<void> } {
  const socket = net.connect(server.port, '127.0.0.1');
  socket.on('data', said);
  return { socket, closed: new Promise((resolve, reject) => socket.on('close', () => resolve()).on('error', reject)) };
}

async function directly(bytes: Buffer): Promise<readonly BackendMessage[]> {
  const all: Buffer[] = [];
  const { socket, closed } = connect((piece) => all.push(piece));
  const parameters = [
    ['user', SUPERUSER],
    ['database', 'postgres'],
  ] as const;
  socket.write(Buffer.concat([encodeStartup({ type: 'startup', major: 3, minor: 0, parameters }), bytes]));
  await closed;
  return backendMessages(Buffer.concat(all));
}

async function throughGateway(bytes: Buffer): Promise<readonly BackendMessage[]> {
  const context = {
    limits: LIMITS,
    clientTls: false,
    cleartextAllowed: true,
    listenerTarget: null,
    random: randomBytes,
  };
  const conversation = new PostgresConversation({ ...context, cellMask: () => () => null }, new FakeClassifier());
  const all: Buffer[] = [];
  const events: WireEvent[] = [];
  let upstream: ReturnType<typeof connect> | null = null;
  const handle = (first: WireEvent): void => {
    events.push(first);
    if (events.length > 1) return;
    for (; events[0] !== undefined; events.shift()) {
      for (const effect of conversation.handle(events[0])) {
        if (effect.do === 'reply') all.push(Buffer.from(effect.bytes));
        if (effect.do === 'relay' || effect.do === 'forward') upstream?.socket.write(Buffer.from(effect.bytes));
        if (effect.do === 'decide') {
          const refused = Buffer.from(effect.draft.text).includes('forbidden');
          events.push({ on: 'verdict', key: effect.key, verdict: refused ? REFUSE : forward(effect.key) });
        }
        if (effect.do === 'look-up') events.push({ on: 'catalogue', catalogue: catalogue() });
        if (effect.do === 'close') upstream?.socket.end();
      }
    }
  };
  upstream = connect((piece) => handle({ on: 'upstream-bytes', bytes: piece }));
  handle(startup({ user: 'alice', database: 'crm' }));
  handle({ on: 'login-method', method: { kind: 'password' } });
  handle({ on: 'client-bytes', bytes: encodeFrontend({ type: 'password', data: Buffer.from('x\0') }) });
  handle({ on: 'identified', principal: PRINCIPAL });
  handle({ on: 'opened', sessionId: 's' });
  handle({ on: 'upstream-open', upstream: { ...UPSTREAM, user: SUPERUSER, database: 'postgres' } });
  handle({ on: 'client-bytes', bytes });
  await upstream.closed;
  return backendMessages(Buffer.concat(all));
}

/** From the first ReadyForQuery on. Texts and codes of errors may differ, and where a notice stands is nobody's promise. */
function outline(messages: readonly BackendMessage[]): readonly string[] {
  const begin = messages.findIndex((each) => each.type === 'ready-for-query');
  return messages.slice(begin + 1).flatMap((each) => {
    if (each.type === 'notice' || each.type === 'parameter-status') return [];
    if (each.type === 'ready-for-query') return [`ready ${each.status}`];
    if (each.type === 'command-complete') return [each.tag];
    if (each.type === 'data-row') return [`row ${each.values.map(String).join()}`];
    return [each.type];
  });
}

test('P11 a pipeline with a refused statement is answered as by a server at which that statement fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 20 }), async (most) => {
      const messages = [...most, sync, query('rollback'), query('select 1'), terminate];
      const bytes = Buffer.concat(messages.map(encodeFrontend));
      expect(outline(await throughGateway(bytes))).toEqual(outline(await directly(bytes)));
    }),
    { numRuns: 100 },
  );
}, 120_000);
