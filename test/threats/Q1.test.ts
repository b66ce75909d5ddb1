import { house, tricks } from './tricks.ts';

const at = house();

tricks('Q1', at, [
  { name: 'two statements', sql: 'select 1;drop table victims', notByPsql: true },
  { name: 'two statements, the first a write', sql: 'delete from victims; select 1', notByPsql: true },
  { name: 'three statements with white space and empty ones between', sql: ';; select 1 ;\n;\t; drop table victims ;;', notByPsql: true },
  { name: 'a semicolon in a string is no end', sql: "select '; drop table victims; --'", gives: ['; drop table victims; --'] },
  { name: 'a semicolon in a string, and a statement behind it', sql: "select 'a;b'; drop table victims", notByPsql: true },
  { name: 'a quote doubled inside a string', sql: "select ''';drop table victims;--'", gives: ["';drop table victims;--"] },
  { name: 'a quote doubled once less', sql: "select '''';drop table victims;--'", notByPsql: true },
  { name: 'a semicolon in a line comment', sql: 'select 1 -- ; drop table victims;\n', gives: ['1'] },
  { name: 'a statement behind a line comment', sql: 'select 1 -- ;\n; drop table victims', notByPsql: true },
  { name: 'a statement behind a line comment ended by a carriage return', sql: 'select 1 -- ;\r; drop table victims', notByPsql: true },
  { name: 'a semicolon in a block comment', sql: 'select 1 /* ; drop table victims; */', gives: ['1'] },
  { name: 'a statement behind a block comment', sql: 'select 1 /* ; */; drop table victims', notByPsql: true },
  { name: 'a semicolon in dollar quotes', sql: 'select $$; drop table victims; $$', gives: ['; drop table victims; '] },
  { name: 'a semicolon in tagged dollar quotes', sql: 'select $a$ $b$ ; drop table victims $a$', gives: [' $b$ ; drop table victims '] },
  { name: 'a statement behind dollar quotes', sql: 'select $a$ x $a$; drop table victims; --$a$', notByPsql: true },
  { name: 'a statement behind a dollar quote that is a name', sql: 'select 1 as a$a$; drop table victims; --$a$', notByPsql: true },
  { name: 'a semicolon in a quoted name', sql: 'select 1 as "a;drop table victims"', gives: ['1'] },
  { name: 'a statement behind a quoted name', sql: 'select 1 as "a"";b"; drop table victims', notByPsql: true },
  { name: 'trailing semicolons', sql: 'select 1;;', gives: ['1'], notByPsql: true },
  { name: 'only semicolons behind a write', sql: 'delete from victims;;;' },
  { name: 'a statement behind an escape string', sql: "select E'a\\';b'; drop table victims", notByPsql: true },
  { name: 'an escape string that hides one', sql: "select E'\\'; drop table victims; --'", gives: ["'; drop table victims; --"] },
  { name: 'a statement behind a backslash that is a character', sql: "select 'a\\'; drop table victims; --'", notByPsql: true },
  { name: 'a statement behind a string in two lines', sql: "select 'a'\n'b;c'; drop table victims", notByPsql: true },
  { name: 'a statement behind a rule', sql: 'select 1; create rule r as on select to victims do instead (select 1; select 2)', notByPsql: true },
  { name: 'a statement behind BEGIN ATOMIC', sql: 'create function f() returns int begin atomic select 1; delete from victims; select 2; end', notByPsql: true },
  { name: 'a hundred reads and a write', sql: `${'select 1;'.repeat(100)} delete from victims`, notByPsql: true },
]); // biome-ignore format: a table
