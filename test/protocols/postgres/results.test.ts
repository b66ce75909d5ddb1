import { describe, expect, test } from 'vitest';
import type { BackendMessage } from '../../../src/protocols/postgres/messages.ts';
import { COMPUTED_VIEW_OID, catalogue, forward, maskSsn, PEOPLE_OID, VIEW_OID } from './fakes.ts';
import {
  anError,
  bind,
  bindComplete,
  client,
  complete,
  described,
  describePortal,
  describeStatement,
  execute,
  flush,
  forwards,
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

/** A simple query that has been forwarded under these obligations. */
function running(text: string, ...obligations: Parameters<typeof forward>[1] & object): Playbook {
  return openSession()
    .when(client(query(text)))
    .skip()
    .when(verdict(1, forward(5, obligations)))
    .skip();
}

describe('which cells are masked', () => {
  test.each<[string, string, BackendMessage, readonly [string, string], readonly [string | null, string | null]]>([
    ['a bare column keeps its kind', 'select id, ssn from people', PLAIN, ['1', 'secret'], ['1', '<partial:6>']],
    [
      'a view’s column that is one as it is keeps its kind',
      'select id, ssn from contacts',
      described(['id', VIEW_OID, 1], ['ssn', VIEW_OID, 3]),
      ['1', 'secret'],
      ['1', '<partial:6>'],
    ],
    [
      'a view’s column that is an expression loses its shape',
      'select id, ssn from digests',
      described(['id', COMPUTED_VIEW_OID, 1], ['ssn', COMPUTED_VIEW_OID, 3]),
      ['1', 'secret'],
      ['1', '<full:6>'],
    ],
    [
      'a computed column is masked whole when a masked one goes into it',
      'select id, upper(ssn) from people',
      described(['id', PEOPLE_OID, 1], ['upper', 0, 0]),
      ['1', 'SECRET'],
      ['1', '<full:6>'],
    ],
    [
      'a computed column without one is not',
      'select id, 1 from people',
      described(['id', PEOPLE_OID, 1], ['?', 0, 0]),
      ['1', '1'],
      ['1', '1'],
    ],
    [
      'a column nobody was asked about is hidden',
      'select hidden from people',
      described(['id', PEOPLE_OID, 1], ['name', PEOPLE_OID, 2]),
      ['1', 'ann'],
      ['1', null],
    ],
    [
      'a column of a table the catalogue lacks is hidden',
      'select id, x from people',
      described(['id', PEOPLE_OID, 1], ['x', 99_999, 1]),
      ['1', 'x'],
      ['1', null],
    ],
    [
      'a column number the catalogue lacks is hidden',
      'select id, y from people',
      described(['id', PEOPLE_OID, 1], ['y', PEOPLE_OID, 9]),
      ['1', 'y'],
      ['1', null],
    ],
    [
      'a whole row with a masked column is hidden',
      'select id, people from people',
      described(['id', PEOPLE_OID, 1], ['people', PEOPLE_OID, 0]),
      ['1', '(1,ann,secret)'],
      ['1', null],
    ],
    [
      'system columns tell nothing',
      'select id, ctid from people',
      described(['id', PEOPLE_OID, 1], ['ctid', PEOPLE_OID, -1]),
      ['1', '(0,1)'],
      ['1', '(0,1)'],
    ],
  ])('%s', (_, text, fields, values, shown) => {
    running(text, maskSsn())
      .when(server(fields, row(...values), complete('SELECT 1'), ready()))
      .asks({ do: 'record' }, reply(fields, row(...shown), complete('SELECT 1'), ready()))
      .end();
  });

  test('a relation the session has made itself is shown, though no catalogue has it', () => {
    const fields = described(['x', 99_999, 1]);
    running('create temp table nowhere')
      .when(server(complete('CREATE TABLE'), ready()))
      .skip()
      .when(client(query('select x from nowhere')))
      .asks({ do: 'look-up' })
      .when({ on: 'catalogue', catalogue: catalogue(2) })
      .asks({ do: 'decide', key: 2 })
      .when(verdict(2, forward(6)))
      .skip()
      .when(server(fields, row('1'), complete('SELECT 1'), ready()))
      .asks({ do: 'record' }, reply(fields, row('1'), complete('SELECT 1'), ready()))
      .end();
  });

  test('each result of a text has its own description', () => {
    const other = described(['ssn', PEOPLE_OID, 3], ['id', PEOPLE_OID, 1]);
    running('select 1; select 2', maskSsn())
      .when(
        server(
          PLAIN,
          row('1', 'secret'),
          complete('SELECT 1'),
          other,
          row('secret', '1'),
          complete('SELECT 1'),
          ready(),
        ),
      )
      .asks(
        recordsResult(5, { rows: 2, masked: 2 }),
        reply(
          PLAIN,
          row('1', '<partial:6>'),
          complete('SELECT 1'),
          other,
          row('<partial:6>', '1'),
          complete('SELECT 1'),
          ready(),
        ),
      )
      .end();
  });

  test('rows without any description end the session rather than pass', () => {
    running('select id, ssn from people')
      .when(server(row('1', 'secret')))
      .asks({ do: 'record' }, reply(anError('08006')), { do: 'notice' }, { do: 'close', code: 'TARGET_MISBEHAVED' })
      .end();
  });

  test.each([
    ['more columns than described', row('1', 'secret', 'x')],
    ['fewer columns than described', row('1')],
  ])('a row with %s ends the session', (_, wrong) => {
    running('select id, ssn from people', maskSsn())
      .when(server(PLAIN, wrong))
      .asks({ do: 'record' }, { do: 'reply' }, { do: 'notice' }, { do: 'close', code: 'TARGET_MISBEHAVED' })
      .end();
  });

  test('the row of a client that never described its portal is masked by a description of the gateway’s own', () => {
    openSession()
      .when(client(parse('select id, ssn from people'), bind({ resultFormats: [1] }), execute(), sync))
      .skip()
      .when(verdict(1, forward(4)))
      .skip()
      .when(verdict(2, forward(5, [maskSsn()])))
      .asks(forwards(5, bind({ resultFormats: [1] })), relay(describePortal(), execute(), sync))
      .when(server(parseComplete, bindComplete, PLAIN, row('1', 'secret'), complete('SELECT 1'), ready()))
      .asks(
        recordsResult(5, { masked: 1 }),
        reply(parseComplete, bindComplete, row('1', '<partial:6>'), complete('SELECT 1'), ready()),
      )
      .end();
  });

  test('where nothing is masked, the statement’s own description serves all its portals', () => {
    openSession()
      .when(client(parse('select id, ssn from people', 's'), describeStatement('s'), flush))
      .skip()
      .when(verdict(1, forward(4)))
      .skip()
      .when(server(parseComplete, { type: 'parameter-description', types: [] }, PLAIN))
      .skip()
      .when(client(bind({ statement: 's' }), execute(), sync))
      .skip()
      .when(verdict(2, forward(5)))
      .asks(forwards(5, bind({ statement: 's' }), execute(), sync))
      .when(server(bindComplete, row('1', 'x'), complete('SELECT 1'), ready()))
      .asks({ do: 'record' }, reply(bindComplete, row('1', 'x'), complete('SELECT 1'), ready()))
      .end();
  });
});

describe('what is said beside the rows', () => {
  const telling: BackendMessage = {
    type: 'error',
    fields: {
      S: 'ERROR',
      V: 'ERROR',
      C: '22P02',
      M: 'invalid input: "secret"',
      D: 'secret',
      H: 'secret',
      W: 'secret',
      q: 'secret',
      n: 'secret',
    },
  };

  test('errors and notices keep their SQLSTATE and lose every text while something is masked', () => {
    const notice: BackendMessage = { type: 'notice', fields: { S: 'NOTICE', V: 'NOTICE', C: '01000', M: 'secret' } };
    const play = running('select id, ssn from people', maskSsn()).when(server(notice, telling, ready()));
    play.asks(recordsResult(5, { error: '22P02' }), reply({ type: 'notice' }, anError('22P02'), ready())).end();
  });

  test('no byte of a guarded error reaches the client', () => {
    const play = running('select id, ssn from people', maskSsn());
    const event = server(telling, ready());
    const effects = play.conversation.handle(event);
    for (const effect of effects) {
      if (effect.do === 'reply') expect(Buffer.from(effect.bytes).includes('secret')).toBe(false);
      if (effect.do === 'record' && effect.entry.kind === 'result')
        expect(Buffer.from(effect.entry.sample).includes('secret')).toBe(false);
    }
  });

  test('an error at the end of a transaction that touched masked columns is guarded too', () => {
    running('begin')
      .when(server(complete('BEGIN'), ready('T')))
      .skip()
      .when(client(query('select id, ssn from people')))
      .skip()
      .when(verdict(2, forward(6, [maskSsn()])))
      .skip()
      .when(server(PLAIN, complete('SELECT 0'), ready('T')))
      .skip()
      .when(client(query('commit')))
      .skip()
      .when(verdict(3, forward(7)))
      .skip()
      .when(server(telling, ready()))
      .asks(
        recordsResult(7, { error: '22P02' }),
        reply({ type: 'error', fields: { M: 'the target reported an error' } }, ready()),
      )
      .end();
  });

  test('unguarded errors pass as they are', () => {
    running('select 1').when(server(telling, ready())).asks({ do: 'record' }, reply(telling, ready())).end();
  });

  test.each<[string, string, boolean]>([
    ['DateStyle', 'ISO, DMY', true],
    ['standard_conforming_strings', 'on', true],
    ['application_name', 'psql', true],
    ['application_name', '123-45-6789', false],
    ['sallyport.anything', 'x', false],
  ])('the parameter %s = %s is told: %s', (name, value, told) => {
    const status: BackendMessage = { type: 'parameter-status', name, value };
    const play = openSession().when(server(status));
    if (told) play.asks(reply(status)).end();
    else play.end();
  });

  test('an encoding that is not UTF8 ends the session: texts would no longer be what they seem', () => {
    openSession()
      .when(server({ type: 'parameter-status', name: 'client_encoding', value: 'SJIS' }))
      .asks({ do: 'record' }, reply(anError('22021')), { do: 'close', code: 'WIRE_ENCODING' })
      .end();
  });

  test('notifications reach only a session that listens and is under no mask', () => {
    const notification: BackendMessage = { type: 'notification', processId: 1, channel: 'c', payload: 'secret' };
    openSession().when(server(notification)).end();
    const listening = running('listen c')
      .when(server(complete('LISTEN'), ready()))
      .skip();
    listening.when(server(notification)).asks(reply(notification));
    listening
      .when(client(query('select ssn from people')))
      .skip()
      .when(verdict(2, forward(6, [maskSsn()])))
      .skip();
    listening.when(server(notification)).end();
  });
});
