import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeBackend } from '../../../src/protocols/postgres/codec-backend.ts';
import { encodeFrontend } from '../../../src/protocols/postgres/codec-frontend.ts';
import type { BackendMessage, FrontendMessage } from '../../../src/protocols/postgres/messages.ts';
import type { Conversation, WireEvent } from '../../../src/protocols/protocol.ts';
import { ASK, catalogue, forward, REFUSE } from './fakes.ts';
import { ModelServer } from './model-server.ts';
import {
  backendMessages,
  bind,
  closeStatement,
  execute,
  flush,
  frontendMessages,
  parse,
  query,
  sync,
} from './playbook.ts';
import { openSession } from './session.ts';

/** Enough for a machine that does other things. */
const PROPERTY_MS = 60_000;
const TEXTS = [
  'rows 0',
  'rows 1',
  'rows 3',
  'fail',
  'bad',
  'forbidden',
  'begin',
  'commit',
  'rollback',
  'set x',
] as const;
const text = fc.constantFrom(...TEXTS);
const statementName = fc.constantFrom('', 'a', 'b');
const portalName = fc.constantFrom('', 'p');

const message: fc.Arbitrary<FrontendMessage> = fc.oneof(
  { weight: 2, arbitrary: fc.array(text, { minLength: 1, maxLength: 2 }).map((texts) => query(texts.join(';'))) },
  { weight: 4, arbitrary: fc.tuple(text, statementName).map(([each, name]) => parse(each, name)) },
  {
    weight: 4,
    arbitrary: fc.tuple(portalName, statementName).map(([portal, statement]) => bind({ portal, statement })),
  },
  { weight: 4, arbitrary: fc.tuple(portalName, fc.constantFrom(0, 1, 2)).map(([portal, max]) => execute(portal, max)) },
  {
    weight: 1,
    arbitrary: statementName.map((name): FrontendMessage => ({ type: 'describe', what: 'statement', name })),
  },
  { weight: 1, arbitrary: portalName.map((name): FrontendMessage => ({ type: 'describe', what: 'portal', name })) },
  { weight: 1, arbitrary: statementName.map(closeStatement) },
  { weight: 1, arbitrary: portalName.map((name): FrontendMessage => ({ type: 'close', what: 'portal', name })) },
  { weight: 1, arbitrary: fc.constant(flush) },
  { weight: 3, arbitrary: fc.constant(sync) },
);

interface Plan {
  readonly refusedAt: 'parse' | 'bind';
  /** People are asked about every second action, and say yes. */
  readonly asks: boolean;
  /** How many bytes of each side pass at a time; drawn from in turn. */
  readonly pieces: readonly number[];
}

/** What the client would be told by a server at which the refused statement itself fails. */
function direct(messages: readonly FrontendMessage[], refusedAt: 'parse' | 'bind'): readonly BackendMessage[] {
  const server = new ModelServer(refusedAt);
  return messages.flatMap((each) => server.handle(each));
}

/** What the client is told through the gateway, everything cut into pieces on the way. */
function throughGateway(messages: readonly FrontendMessage[], plan: Plan): { said: Buffer; sent: Buffer } {
  const conversation: Conversation = openSession().conversation;
  const server = new ModelServer('never');
  const said: Buffer[] = [];
  const sent: Buffer[] = [];
  let toServer = Buffer.alloc(0);
  let asked = 0;
  const events: WireEvent[] = [];
  const handle = (first: WireEvent) => {
    events.push(first);
    for (let event = events.shift(); event !== undefined; event = events.shift()) {
      for (const effect of conversation.handle(event)) {
        if (effect.do === 'reply') said.push(Buffer.from(effect.bytes));
        if (effect.do === 'relay' || effect.do === 'forward') {
          sent.push(Buffer.from(effect.bytes));
          toServer = Buffer.concat([toServer, effect.bytes]);
        }
        if (effect.do === 'decide') {
          const { draft, key } = effect;
          const denied = Buffer.from(draft.text).toString().split(';').includes('forbidden');
          const refused = denied && (draft.kind !== 'parse' || plan.refusedAt === 'parse');
          const ask = plan.asks && draft.kind !== 'parse' && (asked += 1) % 2 === 0;
          events.push({ on: 'verdict', key, verdict: refused ? REFUSE : ask ? ASK : forward(key) });
        }
        if (effect.do === 'ask')
          for (const key of effect.keys) events.push({ on: 'verdict', key, verdict: forward(key) });
        if (effect.do === 'look-up') events.push({ on: 'catalogue', catalogue: catalogue() });
        if (effect.do === 'close') throw new Error(`closed: ${effect.why}`);
      }
    }
  };
  let turn = 0;
  const piece = () => plan.pieces[(turn += 1) % plan.pieces.length] ?? 1;
  const serve = () => {
    while (toServer.length > 0) {
      const end = 1 + toServer.readInt32BE(1);
      const [each] = frontendMessages(toServer.subarray(0, end));
      toServer = toServer.subarray(end);
      const bytes = each === undefined ? Buffer.alloc(0) : Buffer.concat(server.handle(each).map(encodeBackend));
      for (let at = 0; at < bytes.length; ) {
        const length = piece();
        handle({ on: 'upstream-bytes', bytes: Buffer.from(bytes.subarray(at, at + length)) });
        at += length;
      }
    }
  };
  const bytes = Buffer.concat(messages.map(encodeFrontend));
  for (let at = 0; at < bytes.length; ) {
    const length = piece();
    handle({ on: 'client-bytes', bytes: Buffer.from(bytes.subarray(at, at + length)) });
    at += length;
    if (turn % 3 === 0) serve();
  }
  serve();
  return { said: Buffer.concat(said), sent: Buffer.concat(sent) };
}

/** Refusals have a text of the gateway's; what counts is their place and their SQLSTATE. */
function outline(messages: readonly BackendMessage[]): readonly string[] {
  return messages.map((each) => {
    if (each.type === 'error') return `error ${each.fields.C}`;
    if (each.type === 'ready-for-query') return `ready ${each.status}`;
    if (each.type === 'command-complete') return each.tag;
    if (each.type === 'data-row') return `row ${each.values.map(String).join()}`;
    return each.type;
  });
}

const plans = fc.record({
  refusedAt: fc.constantFrom('parse' as const, 'bind' as const),
  asks: fc.boolean(),
  pieces: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 }),
});

describe('through the gateway', () => {
  test(
    'a client sees exactly what a server says at which the refused statement fails in its place',
    () => {
      fc.assert(
        fc.property(fc.array(message, { minLength: 1, maxLength: 24 }), plans, (most, plan) => {
          const messages = [...most, sync, query('rollback'), query('rows 1')];
          const { said, sent } = throughGateway(messages, plan);
          expect(outline(backendMessages(said))).toEqual(outline(direct(messages, plan.refusedAt)));
          // Judged with every cure granted, a text may be prepared where only running it is refused.
          if (plan.refusedAt === 'parse') expect(sent.includes('forbidden')).toBe(false);
        }),
        { numRuns: 250 },
      );
    },
    PROPERTY_MS,
  );

  test(
    'how the bytes are cut changes nothing',
    () => {
      fc.assert(
        fc.property(fc.array(message, { minLength: 1, maxLength: 16 }), plans, (most, plan) => {
          const messages = [...most, sync];
          const whole = throughGateway(messages, { ...plan, pieces: [1_000_000] });
          const cut = throughGateway(messages, { ...plan, pieces: [1] });
          // Of a name that is not there either side may say so first, each in its own words.
          expect(outline(backendMessages(cut.said))).toEqual(outline(backendMessages(whole.said)));
        }),
        { numRuns: 50 },
      );
    },
    PROPERTY_MS,
  );
});
