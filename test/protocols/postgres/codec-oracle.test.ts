import fc from 'fast-check';
import { serialize } from 'pg-protocol';
import { Parser } from 'pg-protocol/dist/parser.js';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/core/limits.ts';
import { decodePassword, decodeSaslInitial } from '../../../src/protocols/postgres/codec-authentication.ts';
import { encodeBackend } from '../../../src/protocols/postgres/codec-backend.ts';
import { decodeFrontend } from '../../../src/protocols/postgres/codec-frontend.ts';
import { FrameReader, frameBody, StartupReader } from '../../../src/protocols/postgres/frames.ts';
import type { BackendMessage, FrontendMessage } from '../../../src/protocols/postgres/messages.ts';
import { decodeStartup } from '../../../src/protocols/postgres/startup.ts';
import { backendMessages } from './arbitraries.ts';

/** node-postgres' own codec as the second opinion: it reads what we write for a client, we read what it writes. */

describe('what we encode for a client, node-postgres reads as it was meant', () => {
  test('field by field', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(backendMessages.filter(known), { maxLength: 8 }), (messages) => {
        const read: unknown[] = [];
        new Parser().parse(Buffer.concat(messages.map(encodeBackend)), (message: unknown) => read.push(message));
        expect(read).toHaveLength(messages.length);
        messages.forEach((message, index) => {
          seen.add(message.type);
          expect(read[index]).toMatchObject(theirs(message));
        });
      }),
      { numRuns: 1000 },
    );
    expect([...seen].sort()).toStrictEqual(TYPES);
  });
});

describe('what node-postgres writes, we read as it was meant', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 30 }).map((value) => value.replaceAll('\0', ''));
  const name = text.filter((value) => value !== '');
  const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

  const reads = (bytes: Buffer): FrontendMessage => {
    const [frame, ...others] = [...new FrameReader(LIMITS.message_bytes_max).read(bytes)];
    if (frame === undefined || others.length > 0) throw new Error('not one message');
    return decodeFrontend(frame.tag, frameBody(frame), LIMITS);
  };
  const reading = (bytes: Buffer) => {
    const read = new StartupReader(LIMITS.startup_bytes_max).read(bytes);
    if (read === null || read.rest.length > 0) throw new Error('not one packet');
    return decodeStartup(read.body);
  };

  test('Query', () => {
    fc.assert(
      fc.property(text, (sql) => {
        expect(reads(serialize.query(sql))).toStrictEqual({ type: 'query', text: Buffer.from(sql) });
      }),
    );
  });

  test('Parse', () => {
    fc.assert(
      fc.property(text, text, fc.array(fc.nat(2 ** 31 - 1)), (statement, sql, types) => {
        expect(reads(serialize.parse({ name: statement, text: sql, types }))).toStrictEqual({
          type: 'parse',
          statement,
          text: Buffer.from(sql),
          parameterTypes: types,
        });
      }),
    );
  });

  test('Bind', () => {
    const value = fc.oneof(
      fc.constant(null),
      text,
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(text, text, fc.array(value), fc.boolean(), (portal, statement, values, binary) => {
        expect(reads(serialize.bind({ portal, statement, values, binary }))).toStrictEqual({
          type: 'bind',
          portal,
          statement,
          parameterFormats: values.map((one) => (Buffer.isBuffer(one) ? 1 : 0)),
          parameters: values.map((one) => (typeof one === 'string' ? Buffer.from(one) : one)),
          resultFormats: [binary ? 1 : 0],
        });
      }),
    );
  });

  test('Describe, Close and Execute', () => {
    fc.assert(
      fc.property(fc.constantFrom('S' as const, 'P' as const), text, fc.nat(2 ** 31 - 1), (type, target, rows) => {
        const what = type === 'S' ? 'statement' : 'portal';
        expect(reads(serialize.describe({ type, name: target }))).toStrictEqual({
          type: 'describe',
          what,
          name: target,
        });
        expect(reads(serialize.close({ type, name: target }))).toStrictEqual({ type: 'close', what, name: target });
        expect(reads(serialize.execute({ portal: target, rows }))).toStrictEqual({
          type: 'execute',
          portal: target,
          rowsMax: rows,
        });
      }),
    );
  });

  test('Flush, Sync, Terminate and copying', () => {
    expect(reads(serialize.flush())).toStrictEqual({ type: 'flush' });
    expect(reads(serialize.sync())).toStrictEqual({ type: 'sync' });
    expect(reads(serialize.end())).toStrictEqual({ type: 'terminate' });
    expect(reads(serialize.copyDone())).toStrictEqual({ type: 'copy-done' });
    expect(reads(serialize.copyFail('why'))).toStrictEqual({ type: 'copy-fail', message: 'why' });
    const data = Buffer.from('1\t2\n');
    expect(reads(serialize.copyData(data))).toStrictEqual({ type: 'copy-data', data });
  });

  test('passwords and SASL', () => {
    const data = (bytes: Buffer) => {
      const message = reads(bytes);
      if (message.type !== 'password') throw new Error(message.type);
      return message.data;
    };
    fc.assert(
      fc.property(name, text, (mechanism, response) => {
        expect(decodePassword(data(serialize.password(response)))).toBe(response);
        expect(decodeSaslInitial(data(serialize.sendSASLInitialResponseMessage(mechanism, response)))).toStrictEqual({
          mechanism,
          response: Buffer.from(response),
        });
        expect(data(serialize.sendSCRAMClientFinalMessage(response)).toString()).toBe(response);
      }),
    );
  });

  test('what opens a connection', () => {
    expect(reading(serialize.requestSsl())).toStrictEqual({ type: 'ssl-request' });
    fc.assert(
      fc.property(i32, i32, fc.dictionary(name, text, { noNullPrototype: true }), (processId, secret, parameters) => {
        const key = Buffer.alloc(4);
        key.writeInt32BE(secret);
        expect(reading(serialize.cancel(processId, secret))).toStrictEqual({
          type: 'cancel-request',
          processId,
          secret: key,
        });
        expect(reading(serialize.startup(parameters))).toStrictEqual({
          type: 'startup',
          major: 3,
          minor: 0,
          // It pins its own client_encoding behind what it was given.
          parameters: [...Object.entries(parameters), ['client_encoding', 'UTF8']],
        });
      }),
    );
  });
});

/** It does not read FunctionCallResponse, NegotiateProtocolVersion, CopyBoth or methods other than passwords, nor secrets of 3.2. */
function known(message: BackendMessage): boolean {
  if (message.type === 'backend-key-data') return message.secret.length === 4;
  return TYPES.includes(message.type);
}

/** The message in node-postgres' words. */
function theirs(message: BackendMessage): Record<string, unknown> {
  switch (message.type) {
    case 'authentication-md5':
      return { name: 'authenticationMD5Password', salt: message.salt };
    case 'authentication-sasl':
      return { name: 'authenticationSASL', mechanisms: message.mechanisms };
    case 'authentication-sasl-continue':
      return { name: 'authenticationSASLContinue', data: message.data.toString() };
    case 'authentication-sasl-final':
      return { name: 'authenticationSASLFinal', data: message.data.toString() };
    case 'backend-key-data':
      return { name: 'backendKeyData', processID: message.processId, secretKey: message.secret.readInt32BE(0) };
    case 'parameter-status':
      return { name: 'parameterStatus', parameterName: message.name, parameterValue: message.value };
    case 'ready-for-query':
      return { name: 'readyForQuery', status: message.status };
    case 'row-description':
      return { name: 'rowDescription', fields: message.fields.map(theirField) };
    case 'data-row':
      return { name: 'dataRow', fields: message.values.map((value) => value?.toString('utf8') ?? null) };
    case 'command-complete':
      return { name: 'commandComplete', text: message.tag };
    case 'error':
    case 'notice':
      return { name: message.type, ...theirError(message.fields, message.type === 'error' ? '' : undefined) };
    case 'notification':
      return { name: 'notification', processId: message.processId, channel: message.channel, payload: message.payload };
    case 'parameter-description':
      return { name: 'parameterDescription', dataTypeIDs: message.types };
    case 'copy-in':
    case 'copy-out':
      return {
        name: `${message.type === 'copy-in' ? 'copyIn' : 'copyOut'}Response`,
        binary: message.format === 1,
        columnTypes: message.columnFormats,
      };
    case 'copy-data':
      return { name: 'copyData', chunk: message.data };
    default:
      return { name: BARE[message.type] };
  }
}

function theirField(field: Extract<BackendMessage, { type: 'row-description' }>['fields'][number]) {
  return {
    name: field.name,
    tableID: field.tableOid,
    columnID: field.column,
    dataTypeID: field.typeOid,
    dataTypeSize: field.typeSize,
    dataTypeModifier: field.typeModifier,
    format: field.format === 1 ? 'binary' : 'text',
  };
}

function theirError(fields: Readonly<Record<string, string>>, withoutMessage: string | undefined) {
  return {
    severity: fields.S,
    code: fields.C,
    detail: fields.D,
    hint: fields.H,
    position: fields.P,
    internalPosition: fields.p,
    internalQuery: fields.q,
    where: fields.W,
    schema: fields.s,
    table: fields.t,
    column: fields.c,
    dataType: fields.d,
    constraint: fields.n,
    file: fields.F,
    line: fields.L,
    routine: fields.R,
    message: fields.M ?? withoutMessage,
  };
}

const BARE: Record<string, string> = {
  'authentication-ok': 'authenticationOk',
  'authentication-cleartext': 'authenticationCleartextPassword',
  'empty-query': 'emptyQuery',
  'parse-complete': 'parseComplete',
  'bind-complete': 'bindComplete',
  'close-complete': 'closeComplete',
  'no-data': 'noData',
  'portal-suspended': 'portalSuspended',
  'copy-done': 'copyDone',
};

const TYPES = [
  ...Object.keys(BARE),
  'authentication-md5',
  'authentication-sasl',
  'authentication-sasl-continue',
  'authentication-sasl-final',
  'backend-key-data',
  'parameter-status',
  'ready-for-query',
  'row-description',
  'data-row',
  'command-complete',
  'error',
  'notice',
  'notification',
  'parameter-description',
  'copy-in',
  'copy-out',
  'copy-data',
].sort();
