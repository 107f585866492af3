# Prints CPU seconds of mclust's sweep over fourteen families. Arguments: a CSV without header, most clusters, least.
arguments <- commandArgs(trailingOnly = TRUE)
suppressMessages(library(mclust))
x <- as.matrix(read.csv(arguments[1], header = FALSE))
numbers <- as.integer(arguments[3]):as.integer(arguments[2])
invisible(mclustBIC(x[, 1:2], G = 1:2, modelNames = "EII", verbose = FALSE))
spent <- replicate(as.integer(arguments[4]), sum(system.time(mclustBIC(x, G = numbers, verbose = FALSE))[1:2]))
cat(min(spent), "\n")
