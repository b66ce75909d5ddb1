import { describe, expect, test } from 'vitest';
import { ASK, catalogue, FakeClassifier, forward, maskSsn, PEOPLE_OID, REFUSE } from './fakes.ts';
import {
  anError,
  bind,
  bindComplete,
  client,
  complete,
  described,
  describePortal,
  execute,
  failed,
  flush,
  forwards,
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
  terminate,
  verdict,
} from './playbook.ts';
import { openSession, stateAnswer } from './session.ts';

const FIELDS = described(['id', PEOPLE_OID, 1], ['name', PEOPLE_OID, 2]);

describe('a simple query', () => {
  test('is decided, forwarded, answered and recorded', () => {
    openSession()
      .when(client(query('select id, name from people')))
      .asks({ do: 'decide', key: 1, draft: { kind: 'query', text: Buffer.from('select id, name from people') } })
      .when(verdict(1, forward(5)))
      .asks(forwards(5, query('select id, name from people')))
      .when(server(FIELDS, row('1', 'ann'), row('2', 'bob'), complete('SELECT 2'), ready()))
      .asks(
        recordsResult(5, { rows: 2, masked: 0, error: null, tag: 'SELECT 2' }),
        reply(FIELDS, row('1', 'ann'), row('2', 'bob'), complete('SELECT 2'), ready()),
      )
      .end();
  });

  test('a second one waits until the first has its verdict', () => {
    openSession()
      .when(client(query('select 1')))
      .asks({ do: 'decide', key: 1 })
      .when(client(query('drop table t')))
      .when(verdict(1, REFUSE))
      .asks(reply(anError('42501'), ready()), { do: 'decide', key: 2, draft: { text: Buffer.from('drop table t') } })
      .end();
  });

  test('refused where nothing is open is answered by the gateway alone, and the session lives on', () => {
    openSession()
      .when(client(query('drop table t')))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, REFUSE))
      .asks(reply(anError('42501'), ready()))
      .when(client(query('select 1')))
      .asks({ do: 'decide', key: 2 })
      .when(verdict(2, forward(6)))
      .asks(forwards(6, query('select 1')))
      .end();
  });

  test('refused inside a transaction makes the target fail in its place, with none of its bytes', () => {
    openSession()
      .when(client(query('begin')))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, forward(5)))
      .asks(forwards(5, query('begin')))
      .when(server(complete('BEGIN'), ready('T')))
      .asks(recordsResult(5, { tag: 'BEGIN' }), reply(complete('BEGIN'), ready('T')))
      .when(client(query('drop table t')))
      .asks({ do: 'decide', key: 2 })
      .when(verdict(2, REFUSE))
      .asks(relay(query(')')))
      .when(server(failed('42601', 'syntax error'), ready('E')))
      .asks(reply(anError('42501'), ready('E')))
      .end();
  });

  test('refused behind one that is still at the target is refused in its turn', () => {
    openSession()
      .when(client(query('select 1'), query('drop table t')))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, forward(5)))
      .asks(forwards(5, query('select 1')), { do: 'decide', key: 2 })
      .when(verdict(2, REFUSE))
      .asks(relay(query(')')))
      .when(server(FIELDS, complete('SELECT 0'), ready(), failed('42601'), ready()))
      .asks(
        recordsResult(5, { tag: 'SELECT 0' }),
        reply(FIELDS, complete('SELECT 0'), ready(), anError('42501'), ready()),
      )
      .end();
  });
});

describe('the extended protocol', () => {
  test('judges the text at Parse, decides at Bind, and sends what follows with it', () => {
    openSession()
      .when(client(parse('select id, name from people'), bind(), describePortal(), execute(), sync))
      .asks({ do: 'decide', key: 1, draft: { kind: 'parse' } })
      .when(verdict(1, forward(4)))
      .asks(forwards(4, parse('select id, name from people')), { do: 'decide', key: 2, draft: { kind: 'bind' } })
      .when(verdict(2, forward(5)))
      .asks(forwards(5, bind(), describePortal(), execute(), sync))
      .when(server(parseComplete, bindComplete, FIELDS, row('1', 'ann'), complete('SELECT 1'), ready()))
      .asks(
        recordsResult(5, { rows: 1, tag: 'SELECT 1' }),
        reply(parseComplete, bindComplete, FIELDS, row('1', 'ann'), complete('SELECT 1'), ready()),
      )
      .end();
  });

  test('refuses at Parse what may never run, and drops the rest up to Sync', () => {
    openSession()
      .when(client(parse('drop table t'), bind(), execute(), sync, query('select 1')))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, REFUSE))
      .asks(reply(anError('42501'), ready()), { do: 'decide', key: 2, draft: { kind: 'query' } })
      .end();
  });

  test('refuses a Bind in place of the message, and lets the target skip to Sync', () => {
    openSession()
      .when(client(parse('delete from people'), bind(), execute(), sync))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, forward(4)))
      .asks(forwards(4, parse('delete from people')), { do: 'decide', key: 2 })
      .when(verdict(2, REFUSE))
      .asks(relay({ type: 'describe', what: 'statement', name: expect.stringMatching(/^sallyport_/) }, sync))
      .when(server(parseComplete, failed('26000'), ready()))
      .asks(reply(parseComplete, anError('42501'), ready()))
      .end();
  });

  test('passes an earlier error unchanged when a refused message comes behind it', () => {
    openSession()
      .when(client(parse('select 1'), parse('drop table t'), sync))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, forward(4)))
      .asks(forwards(4, parse('select 1')), { do: 'decide', key: 2 })
      .when(verdict(2, REFUSE))
      .asks(relay({ type: 'describe' }, sync))
      .when(server(failed('42P01', 'no such table'), ready()))
      .asks(reply(failed('42P01', 'no such table'), ready()))
      .end();
  });

  test('a Bind of a statement nobody judged is refused, whatever the server has', () => {
    openSession()
      .when(client(bind({ statement: 's' }), execute(), sync))
      .asks(reply(anError('26000'), ready()))
      .end();
  });

  test('an Execute of a portal nobody bound is refused, whatever the server has', () => {
    openSession()
      .when(client(execute('c'), sync))
      .asks(reply(anError('34000'), ready()))
      .end();
  });

  test('a name that is prepared again keeps its old text until the server has taken the new one', () => {
    openSession()
      .when(client(parse('delete from people', 's'), sync))
      .skip()
      .when(verdict(1, forward(1)))
      .skip()
      .when(server(parseComplete, ready()))
      .skip()
      .when(client(parse('select 1', 's'), sync, bind({ statement: 's' }), execute(), sync))
      .asks({ do: 'decide', key: 2, draft: { kind: 'parse' } })
      .when(verdict(2, forward(2)))
      .asks(forwards(2, parse('select 1', 's'), sync))
      .when(server(failed('42P05', 'already exists'), ready()))
      .asks(reply(failed('42P05', 'already exists'), ready()), {
        do: 'decide',
        key: 3,
        draft: { kind: 'bind', text: Buffer.from('delete from people') },
      })
      .end();
  });
});

describe('a hold', () => {
  const hold = {
    requestId: 'req_1',
    rule: 'writes',
    message: 'writes need approval',
    approvers: 'dba',
    url: 'https://gw/requests/req_1',
    expiresAt: Date.UTC(2026, 10, 21),
  };

  test('is told of at once, and ends in the statement passing', () => {
    openSession()
      .when(client(query('delete from people')))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, ASK))
      .asks({ do: 'ask', keys: [1], inTransaction: false })
      .when({ on: 'held', keys: [1], hold })
      .asks(reply({ type: 'notice', fields: { S: 'NOTICE', C: '01000', M: expect.stringContaining('req_1') } }))
      .when(client(query('select 1')))
      .when(verdict(1, forward(9)))
      .asks(forwards(9, query('delete from people')), { do: 'decide', key: 2 })
      .end();
  });

  test('is withdrawn by cancel, which is an error like the server’s own', () => {
    openSession()
      .when(client(query('delete from people')))
      .skip()
      .when(verdict(1, ASK))
      .skip()
      .when({ on: 'cancelled' })
      .asks(reply(anError('57014'), ready()), { do: 'withdraw', keys: [1], why: 'cancelled' })
      .when(verdict(1, forward(9)))
      .asksNothing()
      .end();
  });

  test('is withdrawn when the client goes, by Terminate as well', () => {
    openSession()
      .when(client(query('delete from people')))
      .skip()
      .when(verdict(1, ASK))
      .skip()
      .when(client(query('select 1'), terminate))
      .asks({ do: 'withdraw', keys: [1], why: 'client-gone' }, { do: 'close' })
      .end();
  });

  test('gathers the Binds of one pipeline into one request, and releases them in order', () => {
    openSession()
      .when(client(parse('insert into t', 's'), sync))
      .skip()
      .when(verdict(1, forward(1)))
      .skip()
      .when(server(parseComplete, ready()))
      .skip()
      .when(
        client(
          bind({ statement: 's', parameters: ['a'] }),
          execute(),
          bind({ statement: 's', parameters: ['b'] }),
          execute(),
          sync,
        ),
      )
      .asks({ do: 'decide', key: 2 })
      .when(verdict(2, ASK))
      .asks({ do: 'decide', key: 3 })
      .when(verdict(3, ASK))
      .asks({ do: 'ask', keys: [2, 3], inTransaction: false })
      .when(verdict(2, forward(12)))
      .when(verdict(3, forward(13)))
      .asks(
        forwards(12, bind({ statement: 's', parameters: ['a'] })),
        relay({ type: 'describe', what: 'portal', name: '' }, execute()),
        forwards(13, bind({ statement: 's', parameters: ['b'] })),
        relay({ type: 'describe', what: 'portal', name: '' }, execute(), sync),
      )
      .end();
  });

  test('keeps the target awake between pipelines and swallows the answer', () => {
    openSession()
      .when(client(query('delete from people')))
      .skip()
      .when(verdict(1, ASK))
      .skip()
      .when({ on: 'held', keys: [1], hold })
      .skip()
      .when({ on: 'held', keys: [1], hold })
      .asks(reply({ type: 'notice' }), relay(sync))
      .when(server(ready()))
      .asksNothing()
      .end();
  });
});

describe('session state', () => {
  test('is asked again after a SET, before the next decision, and the answer stays with the gateway', () => {
    const classifier = new FakeClassifier();
    openSession({ classifier })
      .when(client(query('set search_path = sales'), query('select 1')))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, forward(5)))
      .asks(
        forwards(5, query('set search_path = sales')),
        relay(
          { type: 'close' },
          { type: 'parse' },
          { type: 'bind' },
          { type: 'execute' },
          { type: 'close' },
          { type: 'close' },
          sync,
        ),
      )
      .when(server(complete('SET'), ready(), ...stateAnswer({ searchPath: ['sales'] })))
      .asks(recordsResult(5, { tag: 'SET' }), reply(complete('SET'), ready()), { do: 'decide', key: 2 })
      .end();
    expect(classifier.asked.at(-1)?.searchPath).toEqual(['sales']);
  });

  test('unknown inside a pipeline leaves names unresolved', () => {
    const classifier = new FakeClassifier();
    openSession({ classifier })
      .when(client(parse('set search_path = sales'), bind(), execute(), flush, parse('select 1', 's')))
      .skip()
      .when(verdict(1, forward(5)))
      .skip()
      .when(verdict(2, forward(6)))
      .skip()
      .when(server(parseComplete, bindComplete))
      .skip()
      .end();
    expect(classifier.asked.at(-1)).toEqual({ text: 'select 1', searchPath: null });
  });

  test('a name the catalogue lacks is looked up once', () => {
    openSession()
      .when(client(query('select * from nowhere')))
      .asks({ do: 'look-up' })
      .when({ on: 'catalogue', catalogue: catalogue(2) })
      .asks({ do: 'decide', key: 1 })
      .end();
  });
});

describe('masks', () => {
  test('replace exactly the cells that a rule names', () => {
    const fields = described(['id', PEOPLE_OID, 1], ['ssn', PEOPLE_OID, 3]);
    openSession()
      .when(client(query('select id, ssn from people')))
      .asks({ do: 'decide', key: 1 })
      .when(verdict(1, forward(5, [maskSsn()])))
      .asks({ do: 'forward' })
      .when(server(fields, row('1', '123-45-6789'), row('2', null), complete('SELECT 2'), ready()))
      .asks(
        recordsResult(5, { rows: 2, masked: 1 }),
        reply(fields, row('1', '<partial:11>'), row('2', null), complete('SELECT 2'), ready()),
      )
      .end();
  });
});
