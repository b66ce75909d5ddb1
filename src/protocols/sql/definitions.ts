import type { PolicyAction } from '../../core/action.ts';
import { dataDefinition, tablesOf } from './data-definitions.ts';
import { typeName } from './expressions.ts';
import { relationName } from './from.ts';
import { touchFunction } from './functions.ts';
import { schemaResource } from './identifiers.ts';
import { type Item, newScope, outputItem, relationItem, type Scope } from './lineage.ts';
import {
  children,
  type Fields,
  fieldsOf,
  listOf,
  NotUnderstood,
  nameParts,
  type Opened,
  opened,
  required,
  text,
} from './nodes.ts';
import type { ParseLimits } from './parse.ts';
import { definitions, functionBody } from './procedural.ts';
import { VALUE, type Walk } from './walk.ts';

/** Statements that change what there is, and those that change who may what: by their nodes. */
export function definition(walk: Walk, node: Opened, source: string, limits: ParseLimits): void {
  const { type, fields } = node;
  const action: PolicyAction = ADMINISTER.has(type) ? 'sql.administer' : 'sql.define';
  if (action === 'sql.define' && !DEFINE.has(type)) throw new NotUnderstood(`a statement is ${type}`);
  walk.tally.changesCatalogue = true;
  const before = walk.tally.touches.size;
  subject(walk, node, action, source, limits);
  const scope = tableScope(walk, fields);
  dataDefinition(walk, node, scope);
  for (const child of childrenBut(node)) scan(walk, child, scope, action);
  const touched = walk.tally.touches.size > before;
  if (!touched || action === 'sql.administer') walk.tally.touchTarget(action);
}

/** What the statement makes, changes or drops. */
function subject(
  walk: Walk,
  { type, fields }: Opened,
  action: PolicyAction,
  source: string,
  limits: ParseLimits,
): void {
  switch (type) {
    case 'CreateStmt':
    case 'CreateSeqStmt':
    case 'ViewStmt':
    case 'CompositeTypeStmt':
    case 'CreateForeignTableStmt':
    case 'CreateTableAsStmt':
      newRelation(walk, { type, fields });
      return;
    case 'CreateFunctionStmt':
      touchSchema(walk, nameParts(fields.funcname), action);
      if (definitions(fields.options).get('security') !== undefined) {
        walk.tally.findings.add('the function says with whose rights it runs');
      }
      functionBody(walk, fields, source, limits);
      return;
    case 'CreateSchemaStmt': {
      const name = text(fields.schemaname);
      if (name !== null) walk.tally.touch(action, schemaResource(walk.names.catalogue, name));
      for (const element of listOf(fields.schemaElts)) walk.statement(required(element));
      return;
    }
    case 'DropStmt':
      if (DROPS_FOR_ADMINISTRATORS.has(text(fields.removeType) ?? '')) walk.tally.touchTarget('sql.administer');
      if (fields.behavior === 'DROP_CASCADE') walk.tally.findings.add('CASCADE drops whatever depends on it');
      for (const object of listOf(fields.objects)) touchObject(walk, text(fields.removeType) ?? '', object, action);
      return;
    case 'CommentStmt':
    case 'SecLabelStmt':
      touchObject(walk, text(fields.objtype) ?? '', fields.object, action);
      return;
    case 'RenameStmt':
    case 'AlterOwnerStmt':
    case 'AlterObjectSchemaStmt':
    case 'AlterObjectDependsStmt':
      if (fields.object !== undefined) {
        touchObject(walk, text(fields.objectType ?? fields.renameType) ?? '', fields.object, action);
      }
      return;
    case 'RuleStmt':
      for (const each of listOf(fields.actions)) walk.query(required(each), ruleScope(walk, fields), null, 'assign');
      return;
    case 'CreateTrigStmt':
    case 'CreateEventTrigStmt':
      touchFunction(walk, nameParts(fields.funcname), []);
      return;
    case 'RefreshMatViewStmt': {
      const range = fieldsOf(fields.relation);
      if (range !== null) walk.names.relation(relationName(range), 'sql.read');
      return;
    }
    case 'AlterTableStmt':
      if (listOf(fields.cmds).some((command) => OWNER_COMMANDS.has(text(required(command).fields.subtype) ?? ''))) {
        walk.tally.touchTarget('sql.administer');
      }
      return;
    default: {
      const names = fields.typeName ?? fields.domainname ?? fields.defnames;
      if (Array.isArray(names)) touchSchema(walk, nameParts(names), action);
    }
  }
}

function newRelation(walk: Walk, { type, fields }: Opened): void {
  const base = fieldsOf(fields.base) ?? fieldsOf(fields.into) ?? fields;
  const range = fieldsOf(base.relation ?? base.rel ?? base.sequence ?? base.view ?? base.typevar);
  if (range === null) throw new NotUnderstood(`${type} has no name`);
  walk.names.created(relationName(range), range.relpersistence === 't');
  if (type !== 'ViewStmt' && type !== 'CreateTableAsStmt') return;
  const query = required(fields.query);
  if (query.type === 'ExecuteStmt') {
    walk.statement(query);
    walk.tally.storeRevealed();
  } else {
    walk.query(query, null, null, 'assign');
  }
}

function touchSchema(walk: Walk, parts: readonly string[], action: PolicyAction): void {
  const name = parts.at(-1) ?? '';
  const schema = parts.at(-2) ?? walk.names.creationSchema(name);
  walk.tally.touch(action, schemaResource(walk.names.catalogue, schema));
}

function touchObject(walk: Walk, kind: string, object: unknown, action: PolicyAction): void {
  const found = opened(object);
  if (found === null) return;
  const { type, fields } = found;
  if (type === 'ObjectWithArgs') {
    const parts = nameParts(fields.objname);
    const functions = walk.names.candidates(parts);
    for (const each of functions) walk.tally.touch(action, each.resource);
    if (functions.length === 0) touchSchema(walk, parts, action);
  } else if (type === 'TypeName') {
    touchSchema(walk, nameParts(fields.names), action);
  } else if (kind === 'OBJECT_SCHEMA' && type === 'String') {
    walk.tally.touch(action, schemaResource(walk.names.catalogue, text(fields.sval) ?? ''));
  } else if (type === 'List' && listOf(fields.items).every((item) => required(item).type === 'String')) {
    const parts = nameParts(fields.items);
    if (RELATIONS.has(kind)) walk.names.relation(nameOf(parts), action);
    else if (PARTS_OF_RELATIONS.has(kind)) walk.names.relation(nameOf(parts.slice(0, -1)), action);
    else touchSchema(walk, parts, action);
  } else {
    walk.tally.touchTarget(action);
  }
}

function nameOf(parts: readonly string[]): { readonly schema: string | null; readonly name: string } {
  return { schema: parts.at(-2) ?? null, name: parts.at(-1) ?? '' };
}

/** Nodes that `subject` has dealt with are not scanned again. */
function childrenBut({ type, fields }: Opened): readonly Opened[] {
  const done = SUBJECT_FIELDS[type] ?? [];
  const rest = Object.fromEntries(Object.entries(fields).filter(([field]) => !done.includes(field)));
  return children(type, rest);
}

/** Names, types, calls and relations anywhere in a definition; what an expression takes from columns is written. */
function scan(walk: Walk, { type, fields }: Opened, scope: Scope, action: PolicyAction): void {
  walk.deeper(() => {
    switch (type) {
      case 'RangeVar':
        walk.names.relation(relationName(fields), action);
        return;
      case 'TypeName':
        typeName(walk, fields);
        return;
      case 'FuncCall':
      case 'A_Expr':
      case 'BoolExpr':
      case 'TypeCast':
      case 'ColumnRef':
      case 'SubLink':
      case 'NullTest':
      case 'BooleanTest':
      case 'CaseExpr':
      case 'CoalesceExpr':
      case 'MinMaxExpr':
      case 'A_ArrayExpr':
      case 'A_Indirection':
      case 'RowExpr':
      case 'CollateClause':
      case 'SQLValueFunction':
      case 'JsonFuncExpr':
      case 'JsonIsPredicate':
      case 'XmlExpr':
        walk.tally.assign(walk.expression({ [type]: fields }, scope, { ...VALUE, fixed: true }));
        return;
      case 'SelectStmt':
        walk.query({ type, fields }, null, null, 'assign');
        return;
      default:
        dataDefinition(walk, { type, fields }, scope);
    }
    for (const child of children(type, fields)) scan(walk, child, scope, action);
  });
}

/** Columns of the table that is defined or changed. */
function tableScope(walk: Walk, fields: Fields): Scope {
  const scope = newScope(null, null);
  for (const range of tablesOf(fields)) scope.items.push(itemOf(walk, range, null));
  scope.items.push(outputItem({ columns: [], open: true }, null, []));
  return scope;
}

function ruleScope(walk: Walk, fields: Fields): Scope {
  const scope = newScope(null, null);
  const range = fieldsOf(fields.relation);
  if (range !== null) for (const name of ['old', 'new']) scope.items.push(itemOf(walk, range, name));
  return scope;
}

function itemOf(walk: Walk, range: Fields, name: string | null): Item {
  const relation = walk.names.find(relationName(range));
  return relation === null ? outputItem({ columns: [], open: true }, name, []) : relationItem(relation, name, []);
}

const SUBJECT_FIELDS: Readonly<Record<string, readonly string[]>> = {
  CreateStmt: ['relation'],
  CreateSeqStmt: ['sequence'],
  ViewStmt: ['view', 'query', 'aliases'],
  CompositeTypeStmt: ['typevar'],
  CreateForeignTableStmt: ['base'],
  CreateTableAsStmt: ['into', 'query'],
  CreateFunctionStmt: ['sql_body', 'options', 'funcname'],
  CreateSchemaStmt: ['schemaElts'],
  DropStmt: ['objects'],
  CommentStmt: ['object'],
  SecLabelStmt: ['object'],
  RenameStmt: ['object'],
  AlterOwnerStmt: ['object'],
  AlterObjectSchemaStmt: ['object'],
  AlterObjectDependsStmt: ['object'],
  RuleStmt: ['actions'],
  CreateEnumStmt: ['typeName', 'vals'],
};

const RELATIONS = objectTypes('TABLE VIEW MATVIEW SEQUENCE INDEX FOREIGN_TABLE');
const PARTS_OF_RELATIONS = objectTypes('COLUMN TRIGGER RULE POLICY TABCONSTRAINT');
const DROPS_FOR_ADMINISTRATORS = objectTypes(
  'EXTENSION FDW FOREIGN_SERVER PUBLICATION SUBSCRIPTION EVENT_TRIGGER LANGUAGE ACCESS_METHOD DATABASE ROLE TABLESPACE',
);
const OWNER_COMMANDS: ReadonlySet<string> = new Set([
  'AT_ChangeOwner', 'AT_DisableRowSecurity', 'AT_NoForceRowSecurity', 'AT_SetTableSpace', 'AT_DisableTrig',
  'AT_DisableTrigAll', 'AT_DisableTrigUser', 'AT_DisableRule', 'AT_EnableAlwaysTrig', 'AT_EnableReplicaTrig',
]); // biome-ignore format: a list

const DEFINE = statements(`Create CreateSeq AlterSeq View Index AlterTable CreateTableAs CreateForeignTable CreateTrig
  CreatePolicy AlterPolicy Rule CreateFunction AlterFunction Define CompositeType CreateEnum CreateRange AlterEnum
  AlterType CreateDomain AlterDomain CreateOpClass CreateOpFamily AlterOpFamily AlterOperator Comment Rename
  AlterObjectSchema AlterObjectDepends AlterCollation CreateStats AlterStats CreateSchema Drop RefreshMatView
  CreateConversion AlterTSDictionary AlterTSConfiguration`);
const ADMINISTER =
  statements(`Grant GrantRole AlterDefaultPrivileges CreateRole AlterRole AlterRoleSet DropRole Createdb
  AlterDatabase AlterDatabaseRefreshColl AlterDatabaseSet Dropdb CreateTableSpace DropTableSpace
  AlterTableSpaceOptions AlterTableMoveAll CreateExtension AlterExtension AlterExtensionContents CreateFdw AlterFdw
  CreateForeignServer AlterForeignServer CreateUserMapping AlterUserMapping DropUserMapping ImportForeignSchema
  CreateAm CreateEventTrig AlterEventTrig CreatePLang CreatePublication AlterPublication CreateSubscription
  AlterSubscription DropSubscription SecLabel AlterOwner DropOwned ReassignOwned AlterSystem Load Vacuum Cluster
  Reindex CheckPoint CreateCast CreateTransform ReplicaIdentity`);

function objectTypes(list: string): ReadonlySet<string> {
  return new Set(list.split(/\s+/).map((name) => `OBJECT_${name}`));
}

function statements(list: string): ReadonlySet<string> {
  return new Set(list.split(/\s+/).map((name) => `${name}Stmt`));
}
