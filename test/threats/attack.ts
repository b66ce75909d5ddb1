import { join } from 'node:path';
import { expect } from 'vitest';
import { readLog } from '../../src/audit/offline.ts';
import type { StoredEntry } from '../../src/audit/reader.ts';
import type { BackendMessage, ErrorFields } from '../../src/protocols/postgres/messages.ts';
import type { World } from '../e2e/world.ts';
import type { Gateway } from '../servers/gateway.ts';
import { ServerRefused } from '../servers/raw-client.ts';

/** Everything in the record of a gateway, running or not, oldest first. */
export async function recordOf(gateway: Gateway): Promise<readonly StoredEntry[]> {
  const { reader } = await readLog(join(gateway.directory, 'data', 'audit'), null);
  const entries: StoredEntry[] = [];
  for await (const entry of reader.range(0, reader.size)) entries.push(entry);
  return entries;
}

/** Waits until the record holds an entry like that, looked for from the newest one; fails where none comes. */
export async function recorded(
  gateway: Gateway,
  what: string,
  is: (entry: StoredEntry) => boolean,
  timeout_ms = 10_000,
): Promise<StoredEntry> {
  const deadline = Date.now() + timeout_ms;
  for (;;) {
    // A running gateway may retire its journal while it is read; then what was read is thrown away.
    const found = await recordOf(gateway).then(
      (entries) => entries.findLast(is),
      (fault: unknown) => {
        if (Date.now() > deadline) throw fault;
        return undefined;
      },
    );
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`the record has no entry of ${what}`);
    await pause(50);
  }
}

/** The text that was judged, as the record holds it. */
export function textOf({ sealed }: StoredEntry): string {
  return typeof sealed?.text === 'string' ? sealed.text : '';
}

/** Why bytes or a login were refused, as the record holds it. */
export function whyOf({ sealed }: StoredEntry): string {
  return typeof sealed?.why === 'string' ? sealed.why : '';
}

/** The entry of a refused action whose text holds this. */
export function refusedAction(gateway: Gateway, text: string): Promise<StoredEntry> {
  return recorded(
    gateway,
    `the refused action ${text}`,
    (one) => one.entry.verdict === 'refuse' && textOf(one).includes(text),
  );
}

/** The entry of bytes that were refused by this code. */
export function refusedBytes(gateway: Gateway, code: string, why = ''): Promise<StoredEntry> {
  return recorded(
    gateway,
    `refused bytes ${code} ${why}`,
    (one) => one.entry.kind === 'refused-bytes' && one.entry.facts.code === code && whyOf(one).includes(why),
  );
}

/** Fails where the target has seen these bytes. */
export function expectUnseen(world: World, marker: string | Buffer): void {
  expect(world.tap.sent().includes(marker), `the target has seen ${marker.toString()}`).toBe(false);
}

/** The one error in an answer. */
export function errorIn(messages: readonly BackendMessage[]): ErrorFields {
  const errors = messages.filter((message) => message.type === 'error');
  expect(errors).toHaveLength(1);
  return errors[0]?.fields ?? {};
}

/** What a server refused a connection with. */
export async function refusalOf(attempt: Promise<unknown>): Promise<ErrorFields> {
  try {
    await attempt;
  } catch (fault) {
    if (fault instanceof ServerRefused) return fault.fields;
    throw fault;
  }
  throw new Error('it was let in');
}

/** The column values of the rows in an answer, as texts. */
export function rowsIn(messages: readonly BackendMessage[]): readonly (readonly (string | null)[])[] {
  return messages
    .filter((message) => message.type === 'data-row')
    .map((row) => row.values.map((value) => (value === null ? null : value.toString())));
}

/** The types of messages, settings the server reports left out. */
export function typesOf(messages: readonly BackendMessage[]): readonly string[] {
  return messages.filter((message) => message.type !== 'parameter-status').map((message) => message.type);
}

export function pause(time_ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, time_ms));
}

/** A tagged message as it lies on the wire; `length` only where it is to be a lie. */
export function tagged(tag: number | string, body: Uint8Array = Buffer.alloc(0), length = body.length + 4): Buffer {
  const header = Buffer.alloc(5);
  header[0] = typeof tag === 'number' ? tag : tag.charCodeAt(0);
  header.writeInt32BE(length | 0, 1);
  return Buffer.concat([header, body]);
}
