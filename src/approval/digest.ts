import { createHash } from 'node:crypto';
import type { Action } from '../core/action.ts';
import type { Sha256 } from '../core/ids.ts';
import { delegationChain } from '../core/principal.ts';
import type { Question } from './stage.ts';
import { encodeTuple, type Part } from './tuple.ts';

/** What a question was when it was put, part by part: actions and sessions go on living, this does not. */
export interface Fingerprint {
  readonly digest: Sha256;
  readonly parts: ReadonlyMap<string, Sha256>;
}

/**
 * What an approval binds. Names of statements and portals, result formats and message framing are not in it: they differ
 * when the same thing is asked again. Everything that changes what happens at the target is, and so is whatever an
 * approver was shown about why.
 */
export function fingerprint(question: Question): Fingerprint {
  const fields = questionFields(question);
  return {
    digest: sha256([VERSION, fields.map(({ name, value }): Part => [name, value])]),
    parts: new Map(fields.map(({ name, value }) => [name, sha256(value)])),
  };
}

/** The parts in which two questions differ, in words; empty exactly when their digests are equal. */
export function differences(before: Fingerprint, after: Fingerprint): readonly string[] {
  return [...before.parts].filter(([name, digest]) => after.parts.get(name) !== digest).map(([name]) => name);
}

function sha256(part: Part): Sha256 {
  return createHash('sha256').update(encodeTuple(part)).digest('hex');
}

interface Field {
  readonly name: string;
  readonly value: Part;
}

/** Always the same fields in the same order. Each is a list over the actions, so a batch is its ordered list. */
function questionFields(question: Question): readonly Field[] {
  const each = (of: (action: Action) => Part): Part => question.actions.map(of);
  return [
    { name: 'who asks', value: each(chainOf) },
    { name: 'the session', value: each((action) => action.session.id) },
    { name: 'the target', value: each((action) => [action.protocol, action.target, action.session.target]) },
    { name: 'the database', value: each((action) => action.session.database) },
    { name: 'the role', value: each((action) => action.session.role) },
    { name: 'the session state', value: each((action) => action.state) },
    { name: 'the kind of action', value: each((action) => action.kind) },
    { name: 'the statement', value: each((action) => action.text) },
    { name: 'the parameters', value: each(parametersOf) },
    { name: 'what it touches', value: each(touchesOf) },
    { name: 'the versions of objects and rules', value: [...question.versions].sort() },
    { name: 'what the rules ask for', value: curesOf(question) },
    { name: 'the justification', value: each((action) => action.session.justification) },
    { name: 'the transaction', value: question.inTransaction ? 'open' : 'none' },
  ];
}

function chainOf(action: Action): Part {
  return delegationChain(action.principal).map(({ kind, id, person }): Part => [kind, id, person]);
}

function parametersOf(action: Action): Part {
  return action.parameters.map(({ type, format, value }): Part => [type, format, value]);
}

function touchesOf(action: Action): Part {
  const { verb, touches } = action.classification;
  return [verb, touches.map(({ action: asked, resource }): Part => [asked, resource.kind, resource.id])];
}

/** In the order of the rules' ids: the order in which they were asked means nothing. */
function curesOf(question: Question): Part {
  return [...question.cures]
    .sort((one, other) => (one.rule < other.rule ? -1 : 1))
    .map((cure): Part => [cure.rule, cure.approvers, String(cure.count), String(cure.within_ms)]);
}

const VERSION = 'sallyport approval 1';
