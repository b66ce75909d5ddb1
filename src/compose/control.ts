import type { Caller, ControlUse } from '../api/ports.ts';
import type { AuditLog } from '../audit/log.ts';
import type { Envelope, Sealed } from '../audit/stage.ts';
import type { Given } from '../policy/stage.ts';

/** Writes down that the control plane is used, before it is; resolves once that is durable. */
export async function recordControl(log: AuditLog, use: ControlUse, now: number): Promise<void> {
  const { by, action, subject, outcome, rules, clientAddress } = use;
  const entry = log.append(
    { ...adminEnvelope(now, { action, subject, outcome }), principal: callerId(by), rules },
    { client: clientAddress, by: callerName(by) },
  );
  await log.durable(entry, 'other');
}

/** An entry about the gateway itself. */
export function writeAdmin(log: AuditLog, now: number, facts: Envelope['facts'], sealed: Sealed = {}): void {
  log.append(adminEnvelope(now, facts), sealed);
}

export function adminEnvelope(at: number, facts: Envelope['facts']): Envelope {
  return {
    kind: 'admin',
    at,
    session: null,
    run: null,
    principal: null,
    target: null,
    verb: null,
    resources: [],
    verdict: null,
    rules: [],
    sizes: {},
    of: null,
    facts,
  };
}

/** Nothing is given on the control plane: no cure lifts a forbid there. */
export function nothingGiven(now: number): Given {
  return { approvedBy: [], analyzedBy: [], justification: '', now };
}

export function callerId(by: Caller): string | null {
  return by.kind === 'operator' ? null : by.identified.principal.id;
}

export function callerName(by: Caller): string {
  return by.kind === 'operator' ? 'operator' : by.identified.principal.name;
}
