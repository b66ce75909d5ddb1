import { GatewayError } from '../../core/errors.ts';
import type { Obligation } from '../../core/verdict.ts';
import type { ConversationContext } from '../protocol.ts';
import type { Catalogue } from '../sql/catalogue.ts';
import type { Statement } from '../sql/statement.ts';
import type { Actions } from './actions.ts';
import type { DescribedRows, RowsPresenter } from './answers-host.ts';
import { decodeBackend } from './codec-backend.ts';
import { tellsParameter } from './guarded.ts';
import type { Field } from './messages.ts';
import { compileRows, type RowPlan, type RowRules } from './rows.ts';
import type { SessionState } from './state.ts';
import { ROW_DESCRIPTION } from './tags.ts';
import type { Portal, Prepared, Work } from './work.ts';

/** How rows are shown, made once for each description and kept as long as it comes again under the same rules. */
export class Presenter implements RowsPresenter {
  private readonly context: ConversationContext;
  private readonly actions: Actions;
  private readonly state: SessionState;
  private readonly startup: ReadonlyMap<string, string>;
  private readonly known = new WeakMap<Statement, Known>();

  constructor(
    context: ConversationContext,
    actions: Actions,
    state: SessionState,
    startup: ReadonlyMap<string, string>,
  ) {
    this.context = context;
    this.actions = actions;
    this.state = state;
    this.startup = startup;
  }

  describedRows(body: Buffer, work: Work): DescribedRows {
    const { catalogue } = this.actions;
    const known = this.known.get(work.statement);
    if (
      known !== undefined &&
      known.catalogue === catalogue &&
      sameRules(known.obligations, work.obligations) &&
      known.body.equals(body)
    ) {
      return known.described;
    }
    const fields = fieldsOf(body);
    const described = { fields, plan: compileRows(fields, null, this.rules(work)) };
    this.known.set(work.statement, { body: Buffer.from(body), catalogue, obligations: work.obligations, described });
    return described;
  }

  statementDescribed(prepared: Prepared, body: Buffer | null): void {
    prepared.fields = body === null ? [] : fieldsOf(body);
    prepared.fieldsMeaning = this.state.version;
  }

  portalDescribed(portal: Portal, body: Buffer | null): void {
    const { prepared, work } = portal;
    prepared.fieldsMeaning = this.state.version;
    if (body === null || work === null) {
      prepared.fields = [];
      return;
    }
    const { fields, plan } = this.describedRows(body, work);
    prepared.fields = fields;
    portal.plan = plan;
  }

  /**
   * The plan of a portal nobody described, where its statement was: only without masks, and only while names mean what they
   * meant then.
   */
  planUndescribed(portal: Portal): void {
    const { prepared, work, resultFormats } = portal;
    if (portal.plan !== null || portal.described || work === null || work.masks.size > 0) return;
    const { fields } = prepared;
    if (fields === null || prepared.fieldsMeaning !== this.state.version) return;
    portal.described = true;
    if (fields.length === 0) return;
    const formats = resultFormats.join();
    const made = prepared.plan;
    if (made !== null && made.fields === fields && made.formats === formats && made.statement === work.statement) {
      portal.plan = made.rows;
      return;
    }
    portal.plan = compileRows(fields, resultFormats, this.rules(work));
    prepared.plan = { fields, formats, statement: work.statement, rows: portal.plan };
  }

  /** Whether the client is told of a parameter's new value. Throws where texts would no longer be what we take them for. */
  parameterStatus(name: string, value: string, guarded: boolean): boolean {
    if (name === 'client_encoding' && !/^(utf-?8|unicode)$/i.test(value)) {
      throw new GatewayError('WIRE_ENCODING', `client_encoding became ${value.slice(0, 64)}: texts are UTF8`);
    }
    if (MEANING.has(name)) this.state.forget(false);
    return tellsParameter(name, value, guarded, this.startup);
  }

  private rules({ statement, masks }: Work): RowRules {
    const { madeObjects } = this.state;
    return { statement, masks, madeObjects, catalogue: this.actions.catalogue, context: this.context };
  }
}

function fieldsOf(body: Buffer): readonly Field[] {
  const message = decodeBackend(ROW_DESCRIPTION, body);
  if (message.type !== 'row-description') throw new Error('a row description that is none');
  return message.fields;
}

/** Equal verdicts come as one object from the pipeline's cache; none is none. */
function sameRules(one: readonly Obligation[], other: readonly Obligation[]): boolean {
  return one === other || (one.length === 0 && other.length === 0);
}

interface Known {
  readonly body: Buffer;
  readonly catalogue: Catalogue;
  readonly obligations: readonly Obligation[];
  readonly described: { readonly fields: DescribedRows['fields']; readonly plan: RowPlan };
}

/** Reported parameters that change what texts mean (search_path since PostgreSQL 18). */
const MEANING = new Set(['standard_conforming_strings', 'session_authorization', 'search_path', 'role']);
