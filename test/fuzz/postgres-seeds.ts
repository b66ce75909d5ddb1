import type { BackendMessage, FrontendMessage, StartupMessage } from '../../src/protocols/postgres/messages.ts';

/** One of each, as clients and servers really send them. */

const bytes = (text: string) => Buffer.from(text, 'latin1');

export const FRONTEND_SEEDS: readonly FrontendMessage[] = [
  { type: 'query', text: bytes('select 1') },
  { type: 'query', text: bytes('') },
  { type: 'parse', statement: '', text: bytes('select $1::int'), parameterTypes: [] },
  { type: 'parse', statement: 's1', text: bytes('select $1, $2'), parameterTypes: [23, 25] },
  { type: 'bind', portal: '', statement: 's1', parameterFormats: [], parameters: [], resultFormats: [] },
  {
    type: 'bind',
    portal: 'p1',
    statement: 's1',
    parameterFormats: [1],
    parameters: [bytes('\0\0\0\x01'), null],
    resultFormats: [0],
  },
  {
    type: 'bind',
    portal: '',
    statement: '',
    parameterFormats: [0, 1],
    parameters: [bytes('a'), bytes('b')],
    resultFormats: [1, 0],
  },
  { type: 'describe', what: 'statement', name: 's1' },
  { type: 'describe', what: 'portal', name: '' },
  { type: 'close', what: 'statement', name: 's1' },
  { type: 'execute', portal: '', rowsMax: 0 },
  { type: 'execute', portal: 'p1', rowsMax: 100 },
  { type: 'flush' },
  { type: 'sync' },
  { type: 'terminate' },
  { type: 'copy-data', data: bytes('1\t2\n') },
  { type: 'copy-done' },
  { type: 'copy-fail', message: 'enough' },
  {
    type: 'function-call',
    functionOid: 956,
    argumentFormats: [1],
    arguments: [bytes('\0\0\0\x07'), null],
    resultFormat: 1,
  },
  { type: 'password', data: bytes('secret\0') },
  { type: 'password', data: bytes('SCRAM-SHA-256\0\0\0\0\x0en,,n=,r=client') },
];

export const BACKEND_SEEDS: readonly BackendMessage[] = [
  { type: 'authentication-ok' },
  { type: 'authentication-cleartext' },
  { type: 'authentication-md5', salt: bytes('salt') },
  { type: 'authentication-sasl', mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'] },
  { type: 'authentication-sasl-continue', data: bytes('r=clientserver,s=AAAA,i=4096') },
  { type: 'authentication-sasl-final', data: bytes('v=AAAA') },
  { type: 'authentication-other', code: 7, data: bytes('') },
  { type: 'backend-key-data', processId: 4711, secret: bytes('\x01\x02\x03\x04') },
  { type: 'backend-key-data', processId: 4711, secret: Buffer.alloc(32, 5) },
  { type: 'parameter-status', name: 'client_encoding', value: 'UTF8' },
  { type: 'ready-for-query', status: 'I' },
  { type: 'ready-for-query', status: 'E' },
  {
    type: 'row-description',
    fields: [
      { name: 'id', tableOid: 16_384, column: 1, typeOid: 23, typeSize: 4, typeModifier: -1, format: 1 },
      { name: '?column?', tableOid: 0, column: 0, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 },
    ],
  },
  { type: 'data-row', values: [bytes('1'), null, bytes('')] },
  { type: 'command-complete', tag: 'SELECT 1' },
  { type: 'empty-query' },
  { type: 'error', fields: { S: 'ERROR', V: 'ERROR', C: '42601', M: 'syntax error', P: '8' } },
  { type: 'notice', fields: { S: 'NOTICE', C: '01000', M: 'waiting' } },
  { type: 'notification', processId: 7, channel: 'jobs', payload: '{}' },
  { type: 'parse-complete' },
  { type: 'bind-complete' },
  { type: 'close-complete' },
  { type: 'no-data' },
  { type: 'portal-suspended' },
  { type: 'parameter-description', types: [23, 25] },
  { type: 'copy-in', format: 0, columnFormats: [0, 0] },
  { type: 'copy-out', format: 1, columnFormats: [1] },
  { type: 'copy-both', format: 0, columnFormats: [] },
  { type: 'copy-data', data: bytes('1\t2\n') },
  { type: 'copy-done' },
  { type: 'function-result', value: bytes('7') },
  { type: 'function-result', value: null },
  { type: 'negotiate-version', minor: 2, unsupported: ['_pq_.x'] },
];

export const STARTUP_SEEDS: readonly StartupMessage[] = [
  { type: 'ssl-request' },
  { type: 'gssenc-request' },
  { type: 'cancel-request', processId: 4711, secret: bytes('\x01\x02\x03\x04') },
  { type: 'cancel-request', processId: 4711, secret: Buffer.alloc(32, 5) },
  {
    type: 'startup',
    major: 3,
    minor: 0,
    parameters: [
      ['user', 'ada'],
      ['database', 'crm'],
      ['client_encoding', 'UTF8'],
    ],
  },
  {
    type: 'startup',
    major: 3,
    minor: 2,
    parameters: [
      ['user', 'ada'],
      ['options', '-c search_path=public'],
      ['_pq_.x', ''],
    ],
  },
  { type: 'startup', major: 3, minor: 0, parameters: [] },
];
