import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BackendMessage, FrontendMessage } from '../../../src/protocols/postgres/messages.ts';
import type { WireEvent } from '../../../src/protocols/protocol.ts';
import { ASK, forward, maskSsn, PEOPLE_OID, REFUSE } from './fakes.ts';
import * as say from './playbook.ts';
import { openSession, stateAnswer } from './session.ts';

/**
 * Dialogues as files: a line at the margin is what happens, the indented ones below it are what the conversation then does.
 * The words are those of `MESSAGES` and `shown`; anything after `#` is a remark.
 */
const FOLDER = join(import.meta.dirname, '../../transcripts/postgres');
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

const FRONTEND: Readonly<Record<string, (words: string) => FrontendMessage>> = {
  query: say.query,
  parse: (text) => say.parse(text),
  bind: (value) => say.bind(value === '' ? {} : { parameters: [value] }),
  describe: () => say.describePortal(),
  execute: () => say.execute(),
  sync: () => say.sync,
  terminate: () => say.terminate,
};
const BACKEND: Readonly<Record<string, (words: string) => readonly BackendMessage[]>> = {
  parsed: () => [say.parseComplete],
  bound: () => [say.bindComplete],
  fields: (names) => [
    say.described(...names.split(' ').map((name) => [name, PEOPLE_OID, COLUMNS[name] ?? 0] as const)),
  ],
  row: (values) => [say.row(...values.split(' '))],
  complete: (tag) => [say.complete(tag)],
  ready: (status) => [say.ready(status === 'T' || status === 'E' ? status : 'I')],
  error: (code) => [say.failed(code)],
  state: (path) => stateAnswer({ searchPath: [path] }),
};
const COLUMNS: Readonly<Record<string, number>> = { id: 1, name: 2, ssn: 3 };
const HOLD = { requestId: 'req_1', rule: 'writes', message: '', approvers: 'dba', url: null, expiresAt: 0 };

function eventOf(line: string): WireEvent {
  const [who = '', ...rest] = line.split(' ');
  const said = rest.join(' ').split('; ');
  const each = <Message>(table: Readonly<Record<string, (words: string) => Message>>): Message[] =>
    said.map((one) => {
      const [word = '', ...words] = one.split(' ');
      const make = table[word];
      if (make === undefined) throw new Error(`no message ${word}`);
      return make(words.join(' '));
    });
  if (who === 'client') return say.client(...each(FRONTEND));
  if (who === 'target') return say.server(...each(BACKEND).flat());
  if (who === 'cancel') return { on: 'cancelled' };
  if (who === 'held') return { on: 'held', keys: [Number(rest[0])], hold: HOLD };
  const key = Number(rest[0]);
  const verdicts = { forward: forward(key), mask: forward(key, [maskSsn()]), ask: ASK, refuse: REFUSE } as const;
  const name = rest[1];
  if (who !== 'verdict' || name === undefined || !(name in verdicts)) throw new Error(`nothing happens like ${line}`);
  // The line above has checked that it is one of them.
  return say.verdict(key, verdicts[name as keyof typeof verdicts]);
}

function shown(effect: say.Seen): string {
  switch (effect.do) {
    case 'reply':
      return `client ${effect.says.map(backend).join('; ')}`;
    case 'relay':
    case 'forward':
      return `target ${effect.says.map(frontend).join('; ')}`;
    case 'decide':
      return `decide ${effect.key} ${effect.draft.kind}`;
    case 'ask':
      return `ask ${effect.keys.join(' ')}`;
    case 'record':
      if (effect.entry.kind !== 'result') return `record ${effect.entry.kind}`;
      return `record ${effect.entry.of}: ${effect.entry.facts.error ?? effect.entry.facts.tag}, ${effect.entry.facts.masked} masked`;
    case 'withdraw':
      return `withdraw ${effect.keys.join(' ')} ${effect.why}`;
    default:
      return effect.do;
  }
}

function backend(message: BackendMessage): string {
  switch (message.type) {
    case 'error':
      return `error ${message.fields.C}`;
    case 'notice':
      return `notice ${message.fields.C}`;
    case 'ready-for-query':
      return `ready ${message.status}`;
    case 'command-complete':
      return `complete ${message.tag}`;
    case 'data-row':
      return `row ${message.values.join(' ')}`;
    case 'row-description':
      return `fields ${message.fields.map((field) => field.name).join(' ')}`;
    case 'parse-complete':
      return 'parsed';
    case 'bind-complete':
      return 'bound';
    default:
      return message.type;
  }
}

function frontend(message: { readonly type: string }): string {
  if ('text' in message && Buffer.isBuffer(message.text)) {
    const text = message.text.toString();
    return `${message.type} ${text.startsWith('SELECT CURRENT_USER') ? 'OUR-STATE' : text}`;
  }
  if (message.type !== 'describe' && message.type !== 'close') return message.type;
  return 'name' in message && message.name !== '' ? `${message.type} OURS` : message.type;
}

test('there are transcripts', () => {
  expect(FILES.length).toBeGreaterThanOrEqual(5);
});

test.each(FILES)('%s', (file) => {
  const lines = readFileSync(join(FOLDER, file), 'utf8')
    .split('\n')
    .map((line) => line.replace(/\s*#.*$/, ''))
    .filter((line) => line.trim() !== '');
  const { conversation } = openSession();
  const written: string[] = [];
  for (const line of lines.filter((each) => !each.startsWith(' '))) {
    written.push(line);
    for (const effect of say.seen(conversation.handle(eventOf(line)))) written.push(`  ${shown(effect).trimEnd()}`);
  }
  expect(written.join('\n')).toBe(lines.join('\n'));
});
