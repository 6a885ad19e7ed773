"""What each section of the report shows of one data set, ready for its template."""
