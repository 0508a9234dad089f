"""The queue at work: jobs in processes of their own, and notices about their ends.

`scheduler` is a thread of the service that claims jobs and looks after their processes. `child` is such a process as
its service sees it, `work` what runs inside. `notices` calls the URLs that want to know of an end.

A job holds a pipe to its service. When the service dies, however it dies, the pipe closes, and the job ends as by
Ctrl-C: nothing runs that nobody owns. The next service finds the job in the database and goes on with it
(see decisions: jobs-end-with-their-service).
"""
