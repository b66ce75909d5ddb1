/**
 * The shape of a PostgreSQL parse tree as libpg_query writes it in JSON.
 *
 * A node in a list or in a field of the general type is wrapped: `{ SelectStmt: { … } }`. A field whose C type is one
 * particular node is not; `UNWRAPPED` names those. A tree that holds anything else is not understood, never skipped.
 */
export type Fields = Readonly<Record<string, unknown>>;

export interface Opened {
  readonly type: string;
  readonly fields: Fields;
}

/** The tree holds something this code has no meaning for: the text is opaque. */
export class NotUnderstood extends Error {
  override readonly name = 'NotUnderstood';
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The node inside its wrapping; `null` for an absent one (`{}` stands for a null pointer in a list). */
export function opened(node: unknown): Opened | null {
  if (node === undefined || node === null) return null;
  if (!isFields(node)) throw new NotUnderstood('a parse tree holds a bare value where a node belongs');
  const keys = Object.keys(node);
  if (keys.length === 0) return null;
  const type = keys[0];
  const fields = type === undefined ? undefined : node[type];
  if (keys.length !== 1 || type === undefined || !/^[A-Z]/.test(type) || !isFields(fields)) {
    throw new NotUnderstood(`a parse tree holds a node with the fields ${keys.join(', ')}`);
  }
  return { type, fields };
}

/** A node that must be there. */
export function required(node: unknown): Opened {
  const found = opened(node);
  if (found === null) throw new NotUnderstood('a parse tree lacks a node');
  return found;
}

export function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new NotUnderstood('a parse tree lacks a list');
  return value;
}

export function fieldsOf(value: unknown): Fields | null {
  if (value === undefined || value === null) return null;
  if (!isFields(value)) throw new NotUnderstood('a parse tree lacks a structure');
  return value;
}

export function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** The strings of a name: `[{ String: { sval } }, …]`. A null pointer of a name (never written) is refused. */
export function nameParts(value: unknown): readonly string[] {
  return listOf(value).map((part) => {
    const { type, fields } = required(part);
    if (type === 'TypeName') return nameParts(fields.names).at(-1) ?? '';
    if (type !== 'String') throw new NotUnderstood(`a name holds ${type}`);
    return text(fields.sval) ?? '';
  });
}

/** All nodes directly below one, whatever field they stand in. */
export function children(type: string, fields: Fields): readonly Opened[] {
  const found: Opened[] = [];
  for (const [field, value] of Object.entries(fields)) {
    if (Array.isArray(value)) {
      for (const element of value) {
        if (!isFields(element)) continue;
        const child = opened(element);
        if (child !== null) found.push(child);
      }
    } else if (isFields(value)) {
      const typed = UNWRAPPED[type]?.[field];
      const child = typed === undefined ? opened(value) : { type: typed, fields: value };
      if (child !== null) found.push(child);
    }
  }
  return found;
}

/** Fields that hold one particular node without its wrapping, by node; parse nodes of the raw grammar only. */
export const UNWRAPPED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  A_Const: { ival: 'Integer', fval: 'Float', boolval: 'Boolean', sval: 'String', bsval: 'BitString' },
  RangeVar: { alias: 'Alias' },
  IntoClause: { rel: 'RangeVar' },
  JsonReturning: { format: 'JsonFormat' },
  JsonValueExpr: { format: 'JsonFormat' },
  JsonIsPredicate: { format: 'JsonFormat' },
  JoinExpr: { join_using_alias: 'Alias', alias: 'Alias' },
  TypeCast: { typeName: 'TypeName' },
  FuncCall: { over: 'WindowDef' },
  RangeSubselect: { alias: 'Alias' },
  RangeFunction: { alias: 'Alias' },
  RangeTableFunc: { alias: 'Alias' },
  RangeTableFuncCol: { typeName: 'TypeName' },
  ColumnDef: { typeName: 'TypeName', identitySequence: 'RangeVar', collClause: 'CollateClause' },
  TableLikeClause: { relation: 'RangeVar' },
  XmlSerialize: { typeName: 'TypeName' },
  PartitionCmd: { name: 'RangeVar', bound: 'PartitionBoundSpec' },
  OnConflictClause: { infer: 'InferClause' },
  CommonTableExpr: { search_clause: 'CTESearchClause', cycle_clause: 'CTECycleClause' },
  JsonOutput: { typeName: 'TypeName', returning: 'JsonReturning' },
  JsonArgument: { val: 'JsonValueExpr' },
  JsonFuncExpr: {
    context_item: 'JsonValueExpr',
    output: 'JsonOutput',
    on_empty: 'JsonBehavior',
    on_error: 'JsonBehavior',
  },
  JsonTable: {
    context_item: 'JsonValueExpr',
    pathspec: 'JsonTablePathSpec',
    on_error: 'JsonBehavior',
    alias: 'Alias',
  },
  JsonTableColumn: {
    typeName: 'TypeName',
    pathspec: 'JsonTablePathSpec',
    format: 'JsonFormat',
    on_empty: 'JsonBehavior',
    on_error: 'JsonBehavior',
  },
  JsonKeyValue: { value: 'JsonValueExpr' },
  JsonParseExpr: { expr: 'JsonValueExpr', output: 'JsonOutput' },
  JsonScalarExpr: { output: 'JsonOutput' },
  JsonSerializeExpr: { expr: 'JsonValueExpr', output: 'JsonOutput' },
  JsonObjectConstructor: { output: 'JsonOutput' },
  JsonArrayConstructor: { output: 'JsonOutput' },
  JsonArrayQueryConstructor: { output: 'JsonOutput', format: 'JsonFormat' },
  JsonAggConstructor: { output: 'JsonOutput', over: 'WindowDef' },
  JsonObjectAgg: { constructor: 'JsonAggConstructor', arg: 'JsonKeyValue' },
  JsonArrayAgg: { constructor: 'JsonAggConstructor', arg: 'JsonValueExpr' },
  InsertStmt: {
    relation: 'RangeVar',
    onConflictClause: 'OnConflictClause',
    returningClause: 'ReturningClause',
    withClause: 'WithClause',
  },
  DeleteStmt: { relation: 'RangeVar', returningClause: 'ReturningClause', withClause: 'WithClause' },
  UpdateStmt: { relation: 'RangeVar', returningClause: 'ReturningClause', withClause: 'WithClause' },
  MergeStmt: { relation: 'RangeVar', returningClause: 'ReturningClause', withClause: 'WithClause' },
  SelectStmt: { intoClause: 'IntoClause', withClause: 'WithClause', larg: 'SelectStmt', rarg: 'SelectStmt' },
  PLAssignStmt: { val: 'SelectStmt' },
  CreateSchemaStmt: { authrole: 'RoleSpec' },
  AlterTableStmt: { relation: 'RangeVar' },
  AlterTableCmd: { newowner: 'RoleSpec' },
  GrantStmt: { grantor: 'RoleSpec' },
  GrantRoleStmt: { grantor: 'RoleSpec' },
  AlterDefaultPrivilegesStmt: { action: 'GrantStmt' },
  CopyStmt: { relation: 'RangeVar' },
  CreateStmt: {
    relation: 'RangeVar',
    partbound: 'PartitionBoundSpec',
    partspec: 'PartitionSpec',
    ofTypename: 'TypeName',
  },
  Constraint: { pktable: 'RangeVar' },
  CreateTableSpaceStmt: { owner: 'RoleSpec' },
  CreateForeignTableStmt: { base: 'CreateStmt' },
  CreateUserMappingStmt: { user: 'RoleSpec' },
  AlterUserMappingStmt: { user: 'RoleSpec' },
  DropUserMappingStmt: { user: 'RoleSpec' },
  CreatePolicyStmt: { table: 'RangeVar' },
  AlterPolicyStmt: { table: 'RangeVar' },
  CreateTrigStmt: { relation: 'RangeVar', constrrel: 'RangeVar' },
  AlterRoleStmt: { role: 'RoleSpec' },
  AlterRoleSetStmt: { role: 'RoleSpec', setstmt: 'VariableSetStmt' },
  CreateSeqStmt: { sequence: 'RangeVar' },
  AlterSeqStmt: { sequence: 'RangeVar' },
  CreateDomainStmt: { typeName: 'TypeName', collClause: 'CollateClause' },
  CreateOpClassStmt: { datatype: 'TypeName' },
  CreateOpClassItem: { name: 'ObjectWithArgs', storedtype: 'TypeName' },
  IndexStmt: { relation: 'RangeVar' },
  CreateFunctionStmt: { returnType: 'TypeName' },
  FunctionParameter: { argType: 'TypeName' },
  AlterFunctionStmt: { func: 'ObjectWithArgs' },
  CallStmt: { funccall: 'FuncCall' },
  RenameStmt: { relation: 'RangeVar' },
  AlterObjectDependsStmt: { relation: 'RangeVar', extname: 'String' },
  AlterObjectSchemaStmt: { relation: 'RangeVar' },
  AlterOwnerStmt: { relation: 'RangeVar', newowner: 'RoleSpec' },
  AlterOperatorStmt: { opername: 'ObjectWithArgs' },
  RuleStmt: { relation: 'RangeVar' },
  CompositeTypeStmt: { typevar: 'RangeVar' },
  ViewStmt: { view: 'RangeVar' },
  AlterDatabaseSetStmt: { setstmt: 'VariableSetStmt' },
  AlterSystemStmt: { setstmt: 'VariableSetStmt' },
  ClusterStmt: { relation: 'RangeVar' },
  VacuumRelation: { relation: 'RangeVar' },
  CreateTableAsStmt: { into: 'IntoClause' },
  RefreshMatViewStmt: { relation: 'RangeVar' },
  ReindexStmt: { relation: 'RangeVar' },
  CreateCastStmt: { sourcetype: 'TypeName', targettype: 'TypeName', func: 'ObjectWithArgs' },
  CreateTransformStmt: { type_name: 'TypeName', fromsql: 'ObjectWithArgs', tosql: 'ObjectWithArgs' },
  ReassignOwnedStmt: { newrole: 'RoleSpec' },
  PublicationTable: { relation: 'RangeVar' },
  PublicationObjSpec: { pubtable: 'PublicationTable' },
};
