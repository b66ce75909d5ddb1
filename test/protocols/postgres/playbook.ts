import { expect } from 'vitest';
import { LIMITS } from '../../../src/core/limits.ts';
import { decodeBackend, encodeBackend } from '../../../src/protocols/postgres/codec-backend.ts';
import { decodeFrontend, encodeFrontend } from '../../../src/protocols/postgres/codec-frontend.ts';
import type { BackendMessage, FrontendMessage, StartupMessage } from '../../../src/protocols/postgres/messages.ts';
import { decodeStartup, encodeStartup } from '../../../src/protocols/postgres/startup.ts';
import type { Conversation, Effect, WireEvent } from '../../../src/protocols/protocol.ts';

/**
 * A conversation as a dialogue: what happens, and what the conversation then wants done.
 *
 * ```
 * new Playbook(conversation)
 *   .when(client(query('select 1')))   .asks({ do: 'decide', key: 1 })
 *   .when(verdict(1, forward(5)))      .asks(forwards(query('select 1')))
 *   .end();
 * ```
 *
 * Effects are compared by what the test names of them; none may be left over when the next thing happens.
 */
export class Playbook {
  readonly conversation: Conversation;
  private pending: Seen[] = [];
  private happened = 'the beginning';

  constructor(conversation: Conversation) {
    this.conversation = conversation;
  }

  when(event: WireEvent): this {
    this.nothingLeft();
    this.happened = event.on;
    this.pending = seen(this.conversation.handle(event));
    return this;
  }

  asks(...wanted: readonly Wanted[]): this {
    for (const each of wanted) {
      const next = this.pending.shift();
      expect(next, `after ${this.happened}: an effect ${JSON.stringify(each)}`).toMatchObject(each);
    }
    return this;
  }

  asksNothing(): this {
    return this.nothingLeft();
  }

  end(): void {
    this.nothingLeft();
  }

  /** Whatever is left is not of interest. */
  skip(): this {
    this.pending = [];
    return this;
  }

  private nothingLeft(): this {
    expect(this.pending, `effects nobody asked for, after ${this.happened}`).toEqual([]);
    return this;
  }
}

/** Effects with their bytes read as messages. */
export type Seen =
  | { readonly do: 'reply'; readonly says: readonly BackendMessage[]; readonly letter?: string }
  | { readonly do: 'relay'; readonly says: readonly (FrontendMessage | StartupMessage)[] }
  | { readonly do: 'forward'; readonly entry: number; readonly says: readonly FrontendMessage[] }
  | Exclude<Effect, { do: 'reply' | 'relay' | 'forward' }>;
export type Wanted = { readonly do: Effect['do']; readonly [key: string]: unknown };

export function seen(effects: readonly Effect[]): Seen[] {
  return joined(effects.map(read));
}

/** What is written next to one another is one thing to whom it is sent. */
function joined(effects: readonly Seen[]): Seen[] {
  const all: Seen[] = [];
  for (const effect of effects) {
    const last = all.at(-1);
    if (last?.do === 'reply' && effect.do === 'reply' && last.letter === undefined) {
      all[all.length - 1] = { do: 'reply', says: [...last.says, ...effect.says] };
    } else if (last?.do === 'relay' && effect.do === 'relay') {
      all[all.length - 1] = { do: 'relay', says: [...last.says, ...effect.says] };
    } else {
      all.push(effect);
    }
  }
  return all;
}

function read(effect: Effect): Seen {
  switch (effect.do) {
    case 'reply':
      // The answers to SSLRequest and GSSENCRequest are a bare letter.
      if (effect.bytes.length === 1) return { do: 'reply', says: [], letter: Buffer.from(effect.bytes).toString() };
      return { do: 'reply', says: backendMessages(Buffer.from(effect.bytes)) };
    case 'relay':
      return { do: 'relay', says: relayed(Buffer.from(effect.bytes)) };
    case 'forward':
      return { do: 'forward', entry: effect.clearance.entry, says: frontendMessages(Buffer.from(effect.bytes)) };
    default:
      return effect;
  }
}

/** A packet without a tag begins with the high byte of its length, which is 0. */
function relayed(bytes: Buffer): (FrontendMessage | StartupMessage)[] {
  return bytes[0] === 0 ? [decodeStartup(bytes.subarray(4))] : frontendMessages(bytes);
}

export function backendMessages(bytes: Buffer): BackendMessage[] {
  return frames(bytes, (tag, body) => decodeBackend(tag, body));
}

export function frontendMessages(bytes: Buffer): FrontendMessage[] {
  return frames(bytes, (tag, body) => decodeFrontend(tag, body, LIMITS));
}

function frames<Message>(bytes: Buffer, decode: (tag: number, body: Buffer) => Message): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    messages.push(decode(bytes[at] ?? 0, bytes.subarray(at + 5, end)));
    at = end;
  }
  return messages;
}

// ── what happens

export function client(...messages: readonly FrontendMessage[]): WireEvent {
  return { on: 'client-bytes', bytes: Buffer.concat(messages.map(encodeFrontend)) };
}

export function server(...messages: readonly BackendMessage[]): WireEvent {
  return { on: 'upstream-bytes', bytes: Buffer.concat(messages.map(encodeBackend)) };
}

export function startup(parameters: Readonly<Record<string, string>>, minor = 0): WireEvent {
  const bytes = encodeStartup({ type: 'startup', major: 3, minor, parameters: Object.entries(parameters) });
  return { on: 'client-bytes', bytes };
}

export function verdict(key: number, given: Extract<WireEvent, { on: 'verdict' }>['verdict']): WireEvent {
  return { on: 'verdict', key, verdict: given };
}

// ── what is said

export const query = (text: string): FrontendMessage => ({ type: 'query', text: Buffer.from(text) });
export const parse = (text: string, name = ''): FrontendMessage => ({
  type: 'parse',
  statement: name,
  text: Buffer.from(text),
  parameterTypes: [],
});
export const bind = (
  more: { portal?: string; statement?: string; parameters?: readonly string[]; resultFormats?: readonly number[] } = {},
): FrontendMessage => ({
  type: 'bind',
  portal: more.portal ?? '',
  statement: more.statement ?? '',
  parameterFormats: [],
  parameters: (more.parameters ?? []).map((value) => Buffer.from(value)),
  resultFormats: more.resultFormats ?? [],
});
export const describePortal = (name = ''): FrontendMessage => ({ type: 'describe', what: 'portal', name });
export const describeStatement = (name = ''): FrontendMessage => ({ type: 'describe', what: 'statement', name });
export const execute = (portal = '', rowsMax = 0): FrontendMessage => ({ type: 'execute', portal, rowsMax });
export const closeStatement = (name: string): FrontendMessage => ({ type: 'close', what: 'statement', name });
export const sync: FrontendMessage = { type: 'sync' };
export const flush: FrontendMessage = { type: 'flush' };
export const terminate: FrontendMessage = { type: 'terminate' };
export const copyData = (text: string): FrontendMessage => ({ type: 'copy-data', data: Buffer.from(text) });
export const copyDone: FrontendMessage = { type: 'copy-done' };

export const ready = (status: 'I' | 'T' | 'E' = 'I'): BackendMessage => ({ type: 'ready-for-query', status });
export const complete = (tag: string): BackendMessage => ({ type: 'command-complete', tag });
export const row = (...values: readonly (string | null)[]): BackendMessage => ({
  type: 'data-row',
  values: values.map((value) => (value === null ? null : Buffer.from(value))),
});
export const described = (
  ...fields: readonly (readonly [name: string, tableOid: number, column: number])[]
): BackendMessage => ({
  type: 'row-description',
  fields: fields.map(([name, tableOid, column]) => ({
    name,
    tableOid,
    column,
    typeOid: 25,
    typeSize: -1,
    typeModifier: -1,
    format: 0,
  })),
});
export const parseComplete: BackendMessage = { type: 'parse-complete' };
export const bindComplete: BackendMessage = { type: 'bind-complete' };
export const closeComplete: BackendMessage = { type: 'close-complete' };
export const noData: BackendMessage = { type: 'no-data' };
export const failed = (code: string, message = 'something', severity = 'ERROR'): BackendMessage => ({
  type: 'error',
  fields: { S: severity, V: severity, C: code, M: message },
});
/** Any ErrorResponse with this SQLSTATE. */
export const anError = (code: string): object => ({ type: 'error', fields: { C: code } });

export const reply = (...says: readonly object[]): Wanted => ({ do: 'reply', says });
export const relay = (...says: readonly object[]): Wanted => ({ do: 'relay', says });
export const forwards = (entry: number, ...says: readonly object[]): Wanted => ({ do: 'forward', entry, says });
export const recordsResult = (of: number, facts: object): Wanted => ({
  do: 'record',
  entry: { kind: 'result', of, facts },
});
