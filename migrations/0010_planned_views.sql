-- What a publication shows is most of a mart, but the planner sees the number of the publication only when a query runs: of
-- `valid_from <= …` it expects a third of the rows, of both conditions a ninth, and then joins row by row. These operators
-- do the same, and their estimator says that nearly all rows pass.
create operator ops.<=~ (
    leftarg = integer, rightarg = integer, function = int4le, negator = operator(ops.>~), restrict = nlikesel
);
create operator ops.>~ (
    leftarg = integer, rightarg = integer, function = int4gt, negator = operator(ops.<=~), restrict = nlikesel
);
comment on operator ops.<=~ (integer, integer) is 'As <=, for the planner true of nearly every row.';
comment on operator ops.>~ (integer, integer) is 'As >, for the planner true of nearly every row.';

-- They read, in the snapshot of the query. Else no query on a mart, and no build, would use more than one core.
alter function ops.visible_publication() parallel safe;
alter function ops.audit_publication() parallel safe;
