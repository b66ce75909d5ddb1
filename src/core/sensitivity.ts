/**
 * Which fields may be seen by whoever reads the gateway's own log. A field that is not in this table is secret: a new
 * one has to be thought about before it shows. Statements, parameters and results belong to the record, never here.
 */
export type Sensitivity = 'public' | 'secret';

export function sensitivity(field: string): Sensitivity {
  return PUBLIC_FIELDS.has(field) ? 'public' : 'secret';
}

/** What stands in the place of a secret. */
export const REDACTED = '[redacted]';

const PUBLIC_FIELDS: ReadonlySet<string> = new Set([
  // The line itself.
  'level',
  'time',
  'name',
  'msg',
  'room',
  // Failures.
  'code',
  'err',
  'error',
  'message',
  'stack',
  'type',
  'reason',
  'hint',
  'why',
  'problems',
  'warnings',
  'file',
  'line',
  'column',
  'path',
  // Who and where, as ids.
  'session',
  'sessionId',
  'principal',
  'principalId',
  'person',
  'provider',
  'issuer',
  'client',
  'clientAddress',
  'target',
  'database',
  'protocol',
  'listener',
  'address',
  'addresses',
  'host',
  'port',
  'gateway',
  'origin',
  // What happened.
  'action',
  'verb',
  'verdict',
  'outcome',
  'rule',
  'rules',
  'request',
  'requestId',
  'route',
  'method',
  'status',
  'state',
  'signal',
  'entry',
  'entries',
  'index',
  'epoch',
  'digest',
  'version',
  'kind',
  'policy',
  'policies',
  'targets',
  'sessions',
  // Measures.
  'count',
  'rows',
  'bytes',
  'length',
  'limit',
  'masked',
  'duration_ms',
  'timeout_ms',
  'elapsed_ms',
  'until',
  'at',
  'pid',
]);
