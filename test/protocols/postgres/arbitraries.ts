import fc from 'fast-check';
import type { BackendMessage, FrontendMessage, StartupMessage } from '../../../src/protocols/postgres/messages.ts';

/** Every message there is, with values that its format can say. */

function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const word = (max = 20) => fc.string({ unit: 'grapheme', maxLength: max }).map((text) => text.replaceAll('\0', ''));
const bytes = (min = 0, max = 40) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((value) => Buffer.from(value));
const statementText = bytes().map((text) => Buffer.from(text.filter((byte) => byte !== 0)));
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const i16 = fc.integer({ min: -32768, max: 32767 });
const oid = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const format = fc.constantFrom(0, 1);
const formats = fc.array(format, { maxLength: 5 });
const value = fc.option(bytes(), { nil: null });
const what = fc.constantFrom('statement' as const, 'portal' as const);

/** Values with formats for none, all or each of them. */
const valuesWithFormats = fc
  .array(value, { maxLength: 5 })
  .chain((values) =>
    fc.tuple(
      fc.constant(values),
      fc.oneof(
        fc.constant([]),
        fc.array(format, { minLength: 1, maxLength: 1 }),
        fc.array(format, { minLength: values.length, maxLength: values.length }),
      ),
    ),
  );

export const startupMessages: fc.Arbitrary<StartupMessage> = fc.oneof(
  fc.constantFrom({ type: 'ssl-request' as const }, { type: 'gssenc-request' as const }),
  record({ type: fc.constant('cancel-request' as const), processId: i32, secret: bytes(4, 256) }),
  record({
    type: fc.constant('startup' as const),
    major: fc.constant(3),
    minor: fc.nat(65535),
    parameters: fc.array(
      fc.tuple(
        word().filter((name) => name !== ''),
        word(),
      ),
    ),
  }),
);

export const frontendMessages: fc.Arbitrary<FrontendMessage> = fc.oneof(
  record({ type: fc.constant('query' as const), text: statementText }),
  record({
    type: fc.constant('parse' as const),
    statement: word(),
    text: statementText,
    parameterTypes: fc.array(oid),
  }),
  fc
    .tuple(word(), word(), valuesWithFormats, formats)
    .map(([portal, statement, [parameters, parameterFormats], resultFormats]) => ({
      type: 'bind' as const,
      portal,
      statement,
      parameterFormats,
      parameters,
      resultFormats,
    })),
  record({ type: fc.constantFrom('describe' as const, 'close' as const), what, name: word() }),
  record({ type: fc.constant('execute' as const), portal: word(), rowsMax: i32 }),
  fc.constantFrom<FrontendMessage>({ type: 'flush' }, { type: 'sync' }, { type: 'terminate' }, { type: 'copy-done' }),
  record({ type: fc.constantFrom('copy-data' as const, 'password' as const), data: bytes() }),
  record({ type: fc.constant('copy-fail' as const), message: word() }),
  fc.tuple(oid, valuesWithFormats, format).map(([functionOid, [values, argumentFormats], resultFormat]) => ({
    type: 'function-call' as const,
    functionOid,
    argumentFormats,
    arguments: values,
    resultFormat,
  })),
);

const field = record({
  name: word(),
  tableOid: oid,
  column: i16,
  typeOid: oid,
  typeSize: i16,
  typeModifier: i32,
  format,
});

export const errorFields = fc.dictionary(fc.constantFrom(...'SVCMDHPpqWstcdnFLR'), word(), { noNullPrototype: true });

export const backendMessages: fc.Arbitrary<BackendMessage> = fc.oneof(
  fc.constantFrom<BackendMessage>(
    { type: 'authentication-ok' },
    { type: 'authentication-cleartext' },
    { type: 'empty-query' },
    { type: 'parse-complete' },
    { type: 'bind-complete' },
    { type: 'close-complete' },
    { type: 'no-data' },
    { type: 'portal-suspended' },
    { type: 'copy-done' },
  ),
  record({ type: fc.constant('authentication-md5' as const), salt: bytes(4, 4) }),
  record({
    type: fc.constant('authentication-sasl' as const),
    mechanisms: fc.array(word().filter((name) => name !== '')),
  }),
  record({
    type: fc.constantFrom('authentication-sasl-continue' as const, 'authentication-sasl-final' as const),
    data: bytes(),
  }),
  record({
    type: fc.constant('authentication-other' as const),
    code: fc.constantFrom(2, 6, 7, 8, 9, 13, 2 ** 32 - 1),
    data: bytes(),
  }),
  record({ type: fc.constant('backend-key-data' as const), processId: i32, secret: bytes(4, 256) }),
  record({ type: fc.constant('parameter-status' as const), name: word(), value: word() }),
  record({
    type: fc.constant('ready-for-query' as const),
    status: fc.constantFrom('I' as const, 'T' as const, 'E' as const),
  }),
  record({ type: fc.constant('row-description' as const), fields: fc.array(field) }),
  record({ type: fc.constant('data-row' as const), values: fc.array(value) }),
  record({ type: fc.constant('command-complete' as const), tag: word() }),
  record({ type: fc.constantFrom('error' as const, 'notice' as const), fields: errorFields }),
  record({ type: fc.constant('notification' as const), processId: i32, channel: word(), payload: word() }),
  record({ type: fc.constant('parameter-description' as const), types: fc.array(oid) }),
  record({
    type: fc.constantFrom('copy-in' as const, 'copy-out' as const, 'copy-both' as const),
    format,
    columnFormats: formats,
  }),
  record({ type: fc.constant('copy-data' as const), data: bytes() }),
  record({ type: fc.constant('function-result' as const), value }),
  record({ type: fc.constant('negotiate-version' as const), minor: fc.nat(65535), unsupported: fc.array(word()) }),
);
