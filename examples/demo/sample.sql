-- What the demo's database holds, and the three logins the gateway has there.
create role gateway_ro login password 'ro-demo';
create role gateway_rw login password 'rw-demo';
create role gateway_catalog login password 'catalog-demo';

create table customers (
  id    int primary key,
  name  text not null,
  email text not null,
  ssn   char(11) not null,
  plan  text not null
);
insert into customers values
  (1, 'Ada Lovelace',    'ada@example.com',    '123-45-6789', 'gold'),
  (2, 'Grace Hopper',    'grace@example.com',  '234-56-7890', 'silver'),
  (3, 'Alan Turing',     'alan@example.com',   '345-67-8901', 'gold'),
  (4, 'Edsger Dijkstra', 'edsger@example.com', '456-78-9012', 'free'),
  (5, 'Barbara Liskov',  'barbara@example.com','567-89-0123', 'silver');

create table orders (
  id       int primary key,
  customer int not null references customers,
  total    numeric(10, 2) not null,
  placed   date not null
);
insert into orders
select i, 1 + i % 5, round((random() * 500)::numeric, 2), date '2026-01-01' + i from generate_series(1, 200) i;

create view gold_customers as select id, name, ssn from customers where plan = 'gold';

grant select on all tables in schema public to gateway_ro, gateway_rw;
grant insert, update, delete on all tables in schema public to gateway_rw;
