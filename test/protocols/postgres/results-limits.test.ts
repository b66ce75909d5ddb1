import { describe, expect, test } from 'vitest';
import { encodeBackend } from '../../../src/protocols/postgres/codec-backend.ts';
import type { BackendMessage } from '../../../src/protocols/postgres/messages.ts';
import { forward, maskSsn, PEOPLE_OID } from './fakes.ts';
import {
  anError,
  bind,
  bindComplete,
  client,
  complete,
  copyData,
  copyDone,
  described,
  describePortal,
  execute,
  failed,
  flush,
  forwards,
  noData,
  type Playbook,
  parse,
  parseComplete,
  query,
  ready,
  recordsResult,
  relay,
  reply,
  row,
  server,
  sync,
  verdict,
} from './playbook.ts';
import { openSession } from './session.ts';

const PLAIN = described(['id', PEOPLE_OID, 1], ['ssn', PEOPLE_OID, 3]);
const limit = (rows_max: number) => ({ kind: 'limit-rows', rows_max, rule: 'few' }) as const;

/** A simple query that has been forwarded under these obligations. */
function running(text: string, ...obligations: Parameters<typeof forward>[1] & object): Playbook {
  return openSession()
    .when(client(query(text)))
    .skip()
    .when(verdict(1, forward(5, obligations)))
    .skip();
}

describe('a limit on rows', () => {
  test('cuts one SELECT off, by a portal, and says so', () => {
    openSession()
      .when(client(query('select id from people')))
      .skip()
      .when(verdict(1, forward(5, [limit(2)])))
      .asks(
        forwards(
          5,
          { type: 'close' },
          { type: 'parse', text: Buffer.from('select id from people') },
          { type: 'bind' },
          { type: 'describe' },
          { type: 'execute', rowsMax: 3 },
          { type: 'close' },
          { type: 'close' },
          sync,
        ),
      )
      .when(
        server(
          { type: 'close-complete' },
          parseComplete,
          bindComplete,
          PLAIN,
          row('1', 'a'),
          row('2', 'b'),
          row('3', 'c'),
          { type: 'portal-suspended' },
          { type: 'close-complete' },
          { type: 'close-complete' },
          ready(),
        ),
      )
      .asks(
        recordsResult(5, { rows: 2, tag: 'SELECT 2' }),
        reply(
          PLAIN,
          row('1', 'a'),
          row('2', 'b'),
          { type: 'notice', fields: { V: 'WARNING' } },
          complete('SELECT 2'),
          ready(),
        ),
      )
      .end();
  });

  test('says nothing where there are not more', () => {
    openSession()
      .when(client(query('select id from people')))
      .skip()
      .when(verdict(1, forward(5, [limit(2)])))
      .skip()
      .when(
        server(
          { type: 'close-complete' },
          parseComplete,
          bindComplete,
          PLAIN,
          row('1', 'a'),
          complete('SELECT 1'),
          { type: 'close-complete' },
          { type: 'close-complete' },
          ready(),
        ),
      )
      .asks(recordsResult(5, { rows: 1 }), reply(PLAIN, row('1', 'a'), complete('SELECT 1'), ready()))
      .end();
  });

  test('holds over all the Executes of a portal', () => {
    openSession()
      .when(client(parse('select id from people'), bind(), describePortal(), execute('', 1), execute('', 5), sync))
      .skip()
      .when(verdict(1, forward(4)))
      .skip()
      .when(verdict(2, forward(5, [limit(3)])))
      .asks(forwards(5, bind(), describePortal(), execute('', 1)), relay(execute('', 4), sync))
      .skip()
      .end();
  });

  test('fails a text of several statements, and stops the target', () => {
    running('select 1; select 2', limit(1))
      .when(server(PLAIN, row('1', 'a'), row('2', 'b')))
      .asks(reply(PLAIN, row('1', 'a'), anError('54000')), { do: 'cancel-upstream' })
      .when(server(row('3', 'c'), failed('57014'), ready()))
      .asks(recordsResult(5, { rows: 1, error: '54000' }), reply(ready()))
      .end();
  });
});

describe('COPY', () => {
  const out: BackendMessage = { type: 'copy-out', format: 0, columnFormats: [0] };
  const into: BackendMessage = { type: 'copy-in', format: 0, columnFormats: [0] };

  test('out passes and is counted', () => {
    const data: BackendMessage = { type: 'copy-data', data: Buffer.from('1\tann\n') };
    running('copy people to stdout')
      .when(server(out, data, data, { type: 'copy-done' }, complete('COPY 2'), ready()))
      .asks(
        recordsResult(5, { rows: 2, tag: 'COPY 2' }),
        reply(out, data, data, { type: 'copy-done' }, complete('COPY 2'), ready()),
      )
      .end();
  });

  test('out of something masked never passes, should it get this far', () => {
    running('copy people to stdout', maskSsn())
      .when(server(out))
      .asks({ do: 'record' }, { do: 'reply' }, { do: 'notice' }, { do: 'close', code: 'TARGET_MISBEHAVED' })
      .end();
  });

  test('in passes its data, and Sync and Flush inside it mean nothing', () => {
    running('copy people from stdin')
      .when(client(copyData('early')))
      .when(server(into))
      .asks(reply(into), relay(copyData('early')))
      .when(client(copyData('1'), flush, sync, copyData('2'), copyDone, query('select 1')))
      .asks(relay(copyData('1'), copyData('2'), copyDone), { do: 'decide', key: 2 })
      .when(server(complete('COPY 2'), ready()))
      .asks(recordsResult(5, { tag: 'COPY 2' }), reply(complete('COPY 2'), ready()))
      .end();
  });

  test('in that fails lets the rest of the data fall', () => {
    running('copy people from stdin')
      .when(server(into))
      .skip()
      .when(server(failed('22P04'), ready()))
      .asks(recordsResult(5, { error: '22P04' }), reply(failed('22P04'), ready()))
      .when(client(copyData('late'), copyDone))
      .asksNothing()
      .end();
  });

  test('in by the extended protocol waits for the target’s word before anything else is sent', () => {
    openSession()
      .when(client(parse('copy people from stdin'), bind(), execute(), sync, copyData('1'), copyDone, sync))
      .skip()
      .when(verdict(1, forward(4)))
      .skip()
      .when(verdict(2, forward(5)))
      .asks(forwards(5, bind()), relay(describePortal(), execute(), flush))
      .when(server(parseComplete, bindComplete, noData, into))
      .asks(reply(parseComplete, bindComplete, into), relay(copyData('1'), copyDone, sync))
      .when(server(complete('COPY 1'), ready()))
      .asks(recordsResult(5, { tag: 'COPY 1' }), reply(complete('COPY 1'), ready()))
      .end();
  });
});

describe('rows that flow', () => {
  test('pass as the very bytes that came, cut wherever they were cut', () => {
    const bytes = Buffer.concat(
      [PLAIN, row('1', 'x'.repeat(300)), row('2', 'y'), complete('SELECT 2'), ready()].map(encodeBackend),
    );
    for (const at of [1, 5, 40, 70, 75, 80, 200, bytes.length - 20]) {
      const play = running('select id, ssn from people');
      const said: Buffer[] = [];
      let rows = -1;
      for (const piece of [bytes.subarray(0, at), bytes.subarray(at)]) {
        for (const effect of play.conversation.handle({ on: 'upstream-bytes', bytes: Buffer.from(piece) })) {
          if (effect.do === 'reply') said.push(Buffer.from(effect.bytes));
          if (effect.do === 'record' && effect.entry.kind === 'result') rows = effect.entry.facts.rows;
        }
      }
      expect(Buffer.concat(said).equals(bytes), `cut at ${at}`).toBe(true);
      expect(rows, `cut at ${at}`).toBe(2);
    }
  });

  test('the record keeps the beginning of what the client saw, up to its limit', () => {
    const play = running('select id, ssn from people', maskSsn());
    const effects = play.conversation.handle(server(PLAIN, row('1', 'secret'), complete('SELECT 1'), ready()));
    const entry = effects.flatMap((effect) => (effect.do === 'record' ? [effect.entry] : []))[0];
    if (entry?.kind !== 'result') throw new Error('no result entry');
    const expected = Buffer.concat([PLAIN, row('1', '<partial:6>'), complete('SELECT 1')].map(encodeBackend));
    expect(Buffer.from(entry.sample).equals(expected)).toBe(true);
    expect(entry.facts.bytes).toBe(expected.length);
  });
});
