//! Which columns are matched with each other.

/// The columns of each match group: two lists for all groups, because two lists for each of a million take long to free.
pub(super) struct Members {
    /// Where the columns of a group begin; one more for the end.
    starts: Vec<usize>,
    columns: Vec<usize>,
}

impl Members {
    /// Of the group of each column.
    pub(super) fn of(groups: &[usize], count: usize) -> Self {
        let mut starts = vec![0; count + 1];
        groups.iter().for_each(|group| starts[group + 1] += 1);
        for group in 0..count {
            starts[group + 1] += starts[group];
        }
        let (mut next, mut columns) = (starts.clone(), vec![0; groups.len()]);
        for (column, group) in groups.iter().enumerate() {
            columns[next[*group]] = column;
            next[*group] += 1;
        }
        Self { starts, columns }
    }

    /// In the order of the columns.
    pub(super) fn group(&self, group: usize) -> &[usize] {
        &self.columns[self.starts[group]..self.starts[group + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_group_by_group_in_their_order() {
        let members = Members::of(&[2, 0, 2, 1, 0, 2], 4);
        let groups: Vec<&[usize]> = (0..4).map(|group| members.group(group)).collect();
        assert_eq!(groups, [&[1, 4][..], &[3], &[0, 2, 5], &[]]);
        assert_eq!(Members::of(&[], 1).group(0), &[] as &[usize]);
    }
}
