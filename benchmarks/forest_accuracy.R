# grf's causal forest on a sample with given nuisances, at new points; called by benchmarks.forest_accuracy.
suppressMessages(library(grf))
arguments <- commandArgs(TRUE)
folder <- arguments[1]
trees <- as.integer(arguments[2])
rows <- as.matrix(read.csv(file.path(folder, "rows.csv")))
points <- as.matrix(read.csv(file.path(folder, "points.csv")))
k <- ncol(points)
start <- proc.time()
forest <- causal_forest(rows[, 1:k], rows[, k + 1], rows[, k + 2], Y.hat = rows[, k + 3], W.hat = rows[, k + 4],
                        num.trees = trees, num.threads = 1, seed = 1)
found <- predict(forest, points, estimate.variance = TRUE, num.threads = 1)
seconds <- sum((proc.time() - start)[1:2])
write.csv(data.frame(value = found$predictions, variance = found$variance.estimates, seconds = seconds),
          file.path(folder, "effects.csv"), row.names = FALSE)
