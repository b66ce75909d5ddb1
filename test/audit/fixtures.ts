import type { AuditLog } from '../../src/audit/log.ts';
import { type LogOptions, openLog } from '../../src/audit/open-log.ts';
import type { FileSystem } from '../../src/audit/ports.ts';
import type { Envelope } from '../../src/audit/stage.ts';
import { LIMITS, type Limits } from '../../src/core/limits.ts';

/** Limits under which nothing happens by itself: tests publish when they mean to. */
export const QUIET: Limits = {
  ...LIMITS,
  reserve_bytes: 64 * 1024,
  journal_bytes_max: 8 * 1024,
  publish_interval_ms: 1_000_000,
  sync_interval_ms: 1_000_000,
};

export const START_AT = 1_790_000_000_000;

export function envelope(kind: Envelope['kind'], more: Partial<Envelope> = {}): Envelope {
  return {
    kind,
    at: START_AT,
    session: 's1',
    run: null,
    principal: 'corp/ann',
    target: 'crm',
    verb: kind === 'action' ? 'read' : null,
    resources: [],
    verdict: kind === 'action' ? 'forward' : null,
    rules: kind === 'action' ? ['readers'] : [],
    sizes: {},
    of: null,
    facts: {},
    ...more,
  };
}

export function options(files: FileSystem | null, root: string, more: Partial<LogOptions> = {}): LogOptions {
  return {
    directory: `${root}/audit`,
    keyFile: `${root}/keys/log.key`,
    sessionKeys: `${root}/keys/sessions`,
    origin: 'gw.example.com/gw',
    clock: { now: () => START_AT },
    limits: QUIET,
    ...(files === null ? {} : { files, lock: () => ({ release: () => undefined }) }),
    ...more,
  };
}

/** A log in memory, with `count` actions of four sessions after its start. */
export async function filled(files: FileSystem, count: number, more: Partial<LogOptions> = {}): Promise<AuditLog> {
  const log = await openLog(options(files, '/data', more));
  log.append(envelope('gateway-start', { session: null }), { version: '1' });
  appendActions(log, count);
  return log;
}

export function appendActions(log: AuditLog, count: number): readonly number[] {
  return Array.from({ length: count }, (_, number) =>
    log.append(envelope('action', { at: START_AT + number, session: `s${number % 4}` }), { text: `select ${number}` }),
  );
}
