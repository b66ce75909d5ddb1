import { describe, expect, test } from 'vitest';
import type { BackendMessage } from '../../../src/protocols/postgres/messages.ts';
import type { WireEvent } from '../../../src/protocols/protocol.ts';
import { ASK, context, forward, maskSsn, PEOPLE_OID, REASON } from './fakes.ts';
import {
  anError,
  bind,
  client,
  complete,
  copyData,
  described,
  execute,
  failed,
  forwards,
  parse,
  query,
  ready,
  recordsResult,
  relay,
  reply,
  row,
  server,
  sync,
  terminate,
  verdict,
} from './playbook.ts';
import { openSession } from './session.ts';

const REVOKED: WireEvent = {
  on: 'revoked',
  reason: { ...REASON, code: 'IDENTITY_REVOKED', why: 'the token was revoked' },
};

describe('cancel', () => {
  test('is passed on while something is at the target, and the next statement waits until it has arrived', () => {
    const play = openSession()
      .when(client(query('select 1')))
      .skip()
      .when(verdict(1, forward(5)))
      .skip();
    play
      .when({ on: 'cancelled' })
      .asks({ do: 'cancel-upstream', bytes: Buffer.from('0000001004d2162e000012670a0b0c0d', 'hex') })
      .when(server(failed('57014'), ready()))
      .asks(recordsResult(5, { error: '57014' }), reply(anError('57014'), ready()))
      .when(client(query('select 2')))
      .asksNothing()
      .when({ on: 'cancel-delivered' })
      .asks({ do: 'decide', key: 2 })
      .end();
  });

  test('is nothing where nothing runs: it could only hit what comes next', () => {
    openSession().when({ on: 'cancelled' }).asksNothing().end();
  });

  test('of a held Bind fails it in its place in the pipeline', () => {
    openSession()
      .when(client(parse('delete from t'), bind(), execute(), sync))
      .skip()
      .when(verdict(1, forward(4)))
      .skip()
      .when(verdict(2, ASK))
      .asks({ do: 'ask', keys: [2] })
      .when({ on: 'cancelled' })
      .asks({ do: 'withdraw', keys: [2], why: 'cancelled' }, relay({ type: 'describe' }, sync))
      .when(server({ type: 'parse-complete' }, failed('26000'), ready()))
      .asks(reply({ type: 'parse-complete' }, anError('57014'), ready()))
      .end();
  });
});

describe('the end of a session', () => {
  test('by Terminate tells the target too', () => {
    openSession().when(client(terminate)).asks(relay(terminate), { do: 'close', code: null }).end();
  });

  test('by Terminate behind a statement waits for its answer, so that it is recorded as it ended', () => {
    openSession()
      .when(client(query('select 1'), terminate))
      .skip()
      .when(verdict(1, forward(5)))
      .asks(forwards(5, query('select 1')))
      .when(server(complete('SELECT 0'), ready()))
      .asks(recordsResult(5, { tag: 'SELECT 0' }), reply(complete('SELECT 0'), ready()), relay(terminate), {
        do: 'close',
      })
      .end();
  });

  test('by Terminate in the middle of a COPY ends both at once', () => {
    const play = openSession()
      .when(client(query('copy t from stdin')))
      .skip()
      .when(verdict(1, forward(5)))
      .skip();
    play.when(server({ type: 'copy-in', format: 0, columnFormats: [0] })).skip();
    play.when(client(terminate)).asks(relay(terminate), { do: 'close' }).end();
  });

  test('by revocation is FATAL 57P01, stops what runs, and records it as unknown', () => {
    openSession()
      .when(client(query('select 1')))
      .skip()
      .when(verdict(1, forward(5)))
      .skip()
      .when(REVOKED)
      .asks(recordsResult(5, { error: 'revoked' }), reply(anError('57P01')), { do: 'cancel-upstream' }, { do: 'close' })
      .when(client(query('select 2')))
      .asksNothing()
      .end();
  });

  test('by revocation withdraws what people are asked', () => {
    openSession()
      .when(client(query('delete from t')))
      .skip()
      .when(verdict(1, ASK))
      .skip()
      .when(REVOKED)
      .asks(reply(anError('57P01')), { do: 'withdraw', keys: [1] }, { do: 'close' })
      .end();
  });

  test('in the middle of a row says nothing that would be taken for part of the row', () => {
    const play = openSession()
      .when(client(query('select id from people')))
      .skip()
      .when(verdict(1, forward(5)))
      .skip();
    const whole = server(described(['id', PEOPLE_OID, 1]), row('x'.repeat(100)));
    const bytes = whole.on === 'upstream-bytes' ? whole.bytes : Buffer.alloc(0);
    play.conversation.handle({ on: 'upstream-bytes', bytes: bytes.subarray(0, bytes.length - 50) });
    play.when(REVOKED).asks({ do: 'record' }, { do: 'cancel-upstream' }, { do: 'close' }).end();
  });

  test('by the target’s own is told, and what was there has no known result', () => {
    openSession()
      .when(client(query('select 1')))
      .skip()
      .when(verdict(1, forward(5)))
      .skip()
      .when({ on: 'upstream-closed' })
      .asks(recordsResult(5, { error: 'target-closed' }), reply(anError('08006')), {
        do: 'close',
        code: 'TARGET_CLOSED',
      })
      .end();
  });

  test('by a stop of the gateway waits for the end of a transaction', () => {
    openSession()
      .when(client(query('begin')))
      .skip()
      .when(verdict(1, forward(5)))
      .skip()
      .when({ on: 'drain' })
      .asksNothing()
      .when(server(complete('BEGIN'), ready('T')))
      .asks({ do: 'record' }, { do: 'reply' })
      .when(client(query('commit')))
      .skip()
      .when(verdict(2, forward(6)))
      .skip()
      .when(server(complete('COMMIT'), ready()))
      .asks({ do: 'record' }, reply(complete('COMMIT'), ready(), anError('57P01')), {
        do: 'close',
        code: 'GATEWAY_STOPPING',
      })
      .end();
  });

  test('idle is ended by a stop at once', () => {
    openSession()
      .when({ on: 'drain' })
      .asks(reply(anError('57P01')), { do: 'close' })
      .end();
  });

  test.each<[string, readonly BackendMessage[]]>([
    ['an answer to nothing', [complete('SELECT 1')]],
    ['ReadyForQuery out of the blue', [ready()]],
    ['a second login', [{ type: 'authentication-ok' }]],
    ['replication', [{ type: 'copy-both', format: 0, columnFormats: [] }]],
  ])('a target that sends %s is not believed any more', (_, messages) => {
    openSession()
      .when(server(...messages))
      .asks(
        reply(anError('08006')),
        { do: 'notice', code: 'TARGET_MISBEHAVED' },
        { do: 'close', code: 'TARGET_MISBEHAVED' },
      )
      .end();
  });
});

describe('what is dealt with by the gateway alone', () => {
  test('a justification is taken, answered, and forwarded to nobody', () => {
    openSession()
      .when(client(query("set sallyport.justification = 'INC-1'"), query('select 1')))
      .asks(reply(complete('SET'), ready()), { do: 'justify', justification: 'INC-1' }, { do: 'decide', key: 1 })
      .end();
  });

  test('a text that is not UTF-8, or too long, is refused and never classified', () => {
    openSession({ context: context({}, { statement_bytes_max: 100 }) })
      .when(client({ type: 'query', text: Buffer.from([0x73, 0xbf, 0x27]) }))
      .asks({ do: 'record', entry: { kind: 'refused-bytes', code: 'WIRE_ENCODING' } }, reply(anError('22021'), ready()))
      .when(client(query('x'.repeat(101))))
      .asks(
        { do: 'record', entry: { kind: 'refused-bytes', code: 'STATEMENT_TOO_LONG' } },
        reply(anError('54000'), ready()),
      )
      .end();
  });

  test('a function called by its number is an action on that function, and its masked result never passes', () => {
    const call = {
      type: 'function-call',
      functionOid: 1598,
      argumentFormats: [],
      arguments: [],
      resultFormat: 0,
    } as const;
    openSession()
      .when(client(call))
      .asks({
        do: 'decide',
        draft: {
          kind: 'function-call',
          classification: {
            verb: 'execute',
            touches: [{ action: 'sql.execute', resource: { id: 'crm/pg_catalog.random' } }],
          },
        },
      })
      .when(verdict(1, forward(5)))
      .asks(forwards(5, call))
      .when(server({ type: 'function-result', value: Buffer.from('1') }, ready()))
      .asks(recordsResult(5, {}), reply({ type: 'function-result' }, ready()))
      .end();
    openSession()
      .when(client(call))
      .skip()
      .when(verdict(1, forward(5, [maskSsn()])))
      .asks(reply(anError('42501'), ready()))
      .end();
  });

  test('a COPY FROM STDIN that would have to be approved is refused: its data would come afterwards', () => {
    openSession()
      .when(client(query('copy people from stdin')))
      .skip()
      .when(verdict(1, ASK))
      .asks({ do: 'record', entry: { code: 'APPROVAL_UNAVAILABLE' } }, reply(anError('42501'), ready()))
      .when(client(copyData('1')))
      .asksNothing()
      .end();
  });

  test('SQL’s EXECUTE is what was prepared under that name, once the target has taken it', () => {
    openSession()
      .when(client(query('prepare p as delete from people'), query('execute p')))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, forward(5)))
      .asks({ do: 'forward' })
      .when(server(complete('PREPARE'), ready()))
      .asks({ do: 'record' }, { do: 'reply' }, { do: 'decide', key: 2, draft: { text: Buffer.from('execute p') } })
      .end();
  });

  test('while much is held, no more of the client is wanted, and it is again afterwards', () => {
    const play = openSession({ context: context({}, { held_bytes_max: 1_000 }) });
    play
      .when(client(query('delete from t')))
      .skip()
      .when(verdict(1, ASK))
      .skip();
    const wants = () => play.conversation.wantsClientBytes?.();
    expect(wants()).toBe(true);
    play.when(client(query('x'.repeat(600)), query('y'.repeat(600))));
    expect(wants()).toBe(false);
    play
      .when(verdict(1, forward(5)))
      .skip()
      .when(verdict(2, forward(6)))
      .skip()
      .when(verdict(3, forward(7)))
      .skip();
    expect(wants()).toBe(true);
  });
});
